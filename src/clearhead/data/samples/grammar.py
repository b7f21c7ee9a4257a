"""One sentence of the English-Spanish grammar, drawn and said in both languages at once.

What differs between the clauses of the two languages happens here: *do* is not said; a yes/no question keeps the order
of the statement, while after a question word the verb comes before the subject; *no* and *nunca* stand before the verb;
a person as object takes *a*; the copula is *ser*, or *estar* for states and places.
"""

from __future__ import annotations

from collections.abc import Sequence

from clearhead.data.samples.lexicon import ADJECTIVES, DETERMINERS, NOUNS, PRONOUNS, Noun, Pronoun
from clearhead.data.samples.phrases import ANY, Head, Phrases, Said, contracted, determiners_for
from clearhead.data.samples.verbs import ESTAR, SER, Tense, Verb

__all__ = ["Draft"]

LONGEST = 14  # English words

# I, you and we have verb forms that no noun takes, so they are drawn more often.
_PRONOUNS = [PRONOUNS[i] for i in (0, 0, 1, 1, 2, 3, 4, 4, 5)]

# The moods of a clause. "never" and "always" are statements with that adverb.
_MOODS = ["statement"] * 11 + ["negative"] * 5 + ["question"] * 5 + ["never", "always"]
_TENSES: list[Tense] = ["present", "present", "present", "past", "past", "past", "future", "future"]
_WHEN: dict[Tense, list[str]] = {
    "present": ["today", "now", "every day"],
    "past": ["yesterday", "last night"],
    "future": ["today", "tomorrow", "soon"],
}
_GROUPS = {adjective.english: adjective.group for adjective in ADJECTIVES}


class Draft(Phrases):
    """A sentence in the making; `clause` returns its Spanish, or None if it is to be started afresh."""

    # Subject and verb -------------------------------------------------------------------------------------------

    def subject(self, options: Sequence[Noun], pronouns: float = 0.42) -> list[Head]:
        """One or two heads; "I" comes last."""
        chance = self.random()
        if chance < pronouns or not options:
            pronoun = self.pick(_PRONOUNS)
            return [Head(pronoun, pronoun.person > 2)]
        first = self.head(self.pick(options), 0.35)
        if chance > 0.86:
            if first.lemma in self.vocabulary.people and self.random() < 0.2:
                return [first, Head(PRONOUNS[0], False)]
            second = self.head(self.pick(options), 0.2)
            if second.lemma is not first.lemma and second.lemma.spanish != first.lemma.spanish:
                return [first, second]
        return [first]

    def say_subject(self, heads: list[Head], *, definite: bool) -> tuple[list[Said], list[int]]:
        said: list[Said] = []
        places: list[int] = []
        for head in heads:
            if places:
                said.append(Said("y", self.write("and")))
            if isinstance(head.lemma, Pronoun):
                place = self.write(head.lemma.english)
                said.append(Said(head.lemma.spanish, place))
            else:
                determiners = determiners_for(head, definite=definite or len(heads) > 1)
                phrase, place = self.noun_phrase(head, determiners, 1 if len(heads) > 1 else 2)
                said += phrase
            places.append(place)
        return said, places

    def predicate(
        self, heads: list[Head], verb: Verb, tense: Tense, mood: str, *, wh: str = "", definite: bool = False
    ) -> list[Said]:
        """Question word, subject and verb. With "who" the question word is the subject."""
        self.question = bool(wh) or mood == "question"
        said = self.adverb(wh) if wh else []
        helper, main = _english_verb(verb, tense, _person(heads), mood)
        at = self.write(helper) if mood == "question" else -1
        subject, places = ([], [0]) if wh == "who" else self.say_subject(heads, definite=definite)
        if helper and at < 0:
            at = self.write(helper)
        before: list[Said] = []
        if mood == "negative":
            before = [Said("no", self.write("not"), () if helper == "will" or not main else (at,))]
        elif mood in ("never", "always"):
            before = self.adverb(mood)
        place = self.write(main) if main else at
        also = (at,) if helper and main else ()
        if verb.particle:
            also = (*also, self.write(verb.particle))
        self.dependencies.extend(("subject", p, place) for p in places)
        conjugated = Said(verb.spanish[tense][_person(heads)], place, also)
        if wh == "who":
            return [*said, *before, conjugated]
        return [*said, conjugated, *subject] if wh else [*subject, *before, conjugated]

    # Clauses ----------------------------------------------------------------------------------------------------

    def clause(self) -> list[Said] | None:
        chance = self.random()
        if chance < 0.44:
            said = self.action(transitive=True)
        elif chance < 0.63:
            said = self.action(transitive=False)
        elif chance < 0.83:
            said = self.description()
        elif chance < 0.89:
            said = self.location(wh="")
        else:
            said = self.wh_question()
        return said if said is not None and len(self.english) <= LONGEST else None

    def action(self, *, transitive: bool) -> list[Said] | None:
        """Who does (what), where, how, when."""
        words = self.vocabulary
        verb = self.pick(words.transitive if transitive else words.intransitive)
        heads = self.subject(words.subjects[verb])
        self._combine_subject(heads, verb)
        tense, mood = self.pick(_TENSES), self.pick(_MOODS)
        if tense == "past" and (mood == "always" or (mood == "never" and verb.english == "live")):
            mood = "statement"  # siempre comía, nunca vivió: these ask for the other past
        when = ""
        if verb.english != "live" and mood not in ("never", "always") and self.random() < 0.3:
            when = self.pick(_WHEN[tense])
        front = mood in ("statement", "negative") and when not in ("", "every day", "soon") and self.random() < 0.3
        said = self.adverb(when) if front else []
        said += self.predicate(heads, verb, tense, mood, definite=mood in ("negative", "never"))
        if transitive:
            noun = self.pick(words.objects[verb])
            if any(noun.english == head.lemma.english for head in heads):
                return None
            said += self.object(verb, noun, definite=mood in ("negative", "never"))
            if len(self.english) < 8 and self.random() < 0.3 and verb.english not in ("want", "have", "visit"):
                said += self.place(words.places)
        else:
            said += self.circumstance(verb, heads)
        if when and not front and len(self.english) < LONGEST - 2:
            said += self.adverb(when)
        return said

    def _combine_subject(self, heads: list[Head], verb: Verb) -> None:
        self.combinations += [("subject", h.lemma.english, verb.english) for h in heads if isinstance(h.lemma, Noun)]

    def object(self, verb: Verb, noun: Noun, *, definite: bool) -> list[Said]:
        """The object; a person takes *a* and is always definite (*busca un médico* would go without)."""
        self.combinations.append(("object", verb.english, noun.english))
        person = noun.kind == "person"
        head = self.head(noun, 0.35)
        main = len(self.english) - (2 if verb.particle else 1)
        determiners = determiners_for(head, definite=definite or person)
        if not head.plural and (definite and not person):
            determiners = [*determiners, DETERMINERS["a", False], DETERMINERS["a", False]]
        elif determiners is ANY:
            determiners = ANY[:-1]  # no "every"
        said, place = self.noun_phrase(head, determiners, 2 if len(self.english) < 9 else 1)
        return contracted(Said("a", -1, (main, place)), said) if person else said

    def circumstance(self, verb: Verb, heads: list[Head]) -> list[Said]:
        """What an intransitive verb takes: a way, a place, company."""
        words, chance = self.vocabulary, self.random()
        if verb.motion in ("to", "from"):
            return self.place([(verb.motion, noun) for noun in words.destinations])
        if verb.manner and chance < 0.3:
            return self.adverb(self.pick(verb.manner.split()))
        said: list[Said] = []
        if chance < 0.7 or verb.english in ("live", "sleep"):
            said += self.place(words.waters if verb.motion == "in" else words.places)
        if chance > 0.6 and len(self.english) < 10 and verb.english != "sleep":
            friend = self.head(self.pick(words.people), 0.3)
            if friend.lemma not in [head.lemma for head in heads]:
                said += self.prepositional("with", friend, determiners_for(friend, definite=True))
        return said

    def description(self) -> list[Said] | None:
        """Copula and adjective, which agrees with the subject: Las casas son blancas."""
        words = self.vocabulary
        noun = self.pick(NOUNS)
        if not words.adjectives[noun]:
            return None
        adjective = self.pick(words.adjectives[noun])
        alike = [n for n in words.described[adjective] if n.kind == noun.kind]
        heads = self.subject(alike, 0.35 if noun.kind == "person" else 0.0)
        tense, mood = self.pick(_TENSES), self.pick(_MOODS)
        verb = ESTAR if adjective.group == "state" else SER
        if mood == "always" and verb is not ESTAR:
            mood = "statement"
        said = self.predicate(heads, verb, tense, mood, definite=True)
        if any(_GROUPS[said_already] == adjective.group for _, _, said_already in self.combinations):
            return None  # no red house is red, or white
        nouns = [h.lemma for h in heads if isinstance(h.lemma, Noun)]
        self.combinations += [("adjective", n.english, adjective.english) for n in nouns]
        feminine = all(head.lemma.gender == "f" for head in heads)
        said.append(Said(adjective.spanish_forms[feminine + 2 * (_person(heads) > 2)], self.write(adjective.english)))
        if verb is ESTAR and mood not in ("never", "always") and self.random() < 0.3:
            said += self.adverb(self.pick(_WHEN[tense]))
        return said

    def location(self, *, wh: str) -> list[Said] | None:
        """Where somebody or something is."""
        words = self.vocabulary
        alive = self.random() < 0.5
        heads = self.subject(words.alive if alive else words.movable, 0.0 if wh or not alive else 0.3)
        mood = "question" if wh else self.pick(_MOODS[:-2])
        said = self.predicate(heads, ESTAR, self.pick(_TENSES), mood, wh=wh, definite=True)
        return said if wh else said + self.place(words.places if alive else words.spots)

    def wh_question(self) -> list[Said] | None:
        """What does she eat? Where does he sleep? Where is the key? Who sees the dog?"""
        words, chance, tense = self.vocabulary, self.random(), self.pick(_TENSES)
        if chance < 0.2:
            return self.location(wh="where")
        if chance < 0.5:
            verb = self.pick(words.transitive)
            said = self.predicate([Head(PRONOUNS[2], False)], verb, tense, "statement", wh="who")
            return said + self.object(verb, self.pick(words.objects[verb]), definite=True)
        what = chance < 0.8
        verb = self.pick(words.transitive if what else words.intransitive)
        if verb.motion or verb.objects == "person":
            return None
        heads = self.subject(words.subjects[verb], 0.2)
        self._combine_subject(heads, verb)
        return self.predicate(heads, verb, tense, "question", wh="what" if what else "where")


def _english_verb(verb: Verb, tense: Tense, person: int, mood: str) -> tuple[str, str]:
    """The helping verb and the main one; one may be missing. A copula stands where helpers do: is not, is she."""
    if tense == "future":
        return "will", verb.english
    form = (verb.english_past if tense == "past" else verb.english_present)[person]
    if verb.auxiliary:
        return form, ""
    if mood not in ("negative", "question"):
        return "", form
    return ("did" if tense == "past" else "does" if person == 2 else "do"), verb.english


def _person(heads: list[Head]) -> int:
    """The person (0-4) of the verb: two heads are *they*, or *we* if one is "I"."""
    last = heads[-1].lemma
    if isinstance(last, Pronoun):
        return last.person if len(heads) == 1 else 3
    return 4 if len(heads) > 1 or heads[0].plural else 2

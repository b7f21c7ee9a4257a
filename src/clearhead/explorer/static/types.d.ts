/**
 * What the pages' modules hand to each other: what Python sends (explorer/questions.py, document.py, stations.py, page.py),
 * what a page keeps, and what it draws. Types alone: nothing of this file runs, and pages do not carry it.
 *
 * Axes: a matrix has rows and columns; its numbers lie row after row.
 */
import type { NDArray } from "./arrays.js";
import type { Edit } from "./edits.js";
import type { Packed } from "./unpack.js";
import type { ProgramJson } from "./program.js";

// What Python sends ---------------------------------------------------------------------------------------------------

/** [start, stop) */
export type Span = readonly [start: number, stop: number];
export type Cell = [row: number, column: number];

export interface Box {
  text: string;
  /** left, top, right and bottom as shares of the picture */
  box: [number, number, number, number];
  span?: undefined;
}
export interface Time {
  text: string;
  /** seconds */
  span: [number, number];
  box?: undefined;
}
export type Region = Box | Time;

/** Lists by the labels' names: "source" and "target", or "text". */
export type ByLabel<T> = Record<string, T[]>;
export type TokenIds = ByLabel<number>;
export type Texts = Record<string, string>;

export interface NormOptions {
  norm: "layer" | "rms";
  eps: number | null;
  /** names of the model's tensors */
  weight: string;
  bias: string | null;
}

/** Which row of an operand is read; see `Formula` in explorer/formula.py. */
export interface Rows {
  shift?: number;
  edge?: { path: string; row: number };
  ends?: boolean;
}

interface FormulaOf<Kind extends string, Options = Record<string, never>> {
  kind: Kind;
  text: string;
  /** paths of the operands */
  of: string[];
  /** letter -> name of the model's tensor */
  weights: Record<string, string>;
  options: Options;
}
export type Bend = "relu" | "relu2" | "gelu" | "gelu-tanh" | "silu" | "tanh" | "sigmoid";
export type Formula =
  | FormulaOf<"lookup", { scale: number; norm?: NormOptions }>
  | FormulaOf<"positions">
  | FormulaOf<"copy">
  | FormulaOf<"mix", { row: number }>
  | FormulaOf<"linear", { cap?: number; scale?: number; then?: "tanh" | NormOptions; stacked?: boolean; rows?: Rows[] }>
  | FormulaOf<"norm", NormOptions>
  | FormulaOf<"sum">
  | FormulaOf<"hidden", { activation: Bend; gated: boolean }>
  | FormulaOf<"act">
  | FormulaOf<"gate", { activation: Bend; part: number; rows: Rows[]; reset?: string }>
  | FormulaOf<"cell", { rows: Rows[] }>
  | FormulaOf<"state">
  | FormulaOf<"blend", { rows: Rows[] }>;
export type FormulaKind = Formula["kind"];
export type FormulaOfKind<Kind extends FormulaKind> = Extract<Formula, { kind: Kind }>;

/** One value of the way through a model; see `Station` in explorer/stations.py. */
export interface Station {
  path: string;
  title: string;
  stack: string;
  block: number | null;
  part: string;
  kind: "act" | "tensor";
  axes: string[];
  /** an act: [heads, queries, keys]; a tensor: [heads, rows, columns] or [rows, columns] */
  shape: number[];
  calls: number;
  turned: boolean;
  /** which labels the rows and the columns bear, "" for none */
  rows: string;
  columns: string;
  formula: Formula | null;
}

/** How an act of attention compares. */
export interface Act {
  /** the queries that the rows of its small pictures show */
  rows: number[];
  score: string;
  scale: number;
  biased: boolean;
}
/** Small pictures of its heads. */
export interface Picture {
  /** [heads, rows, columns] */
  shape: [number, number, number];
  /** a byte a number, 255 a weight of 1: in base64, or as they are */
  data: string | Uint8Array;
  /** which of q, k and v the act holds otherwise than they were projected */
  placed: ("q" | "k" | "v")[];
}
/** An act of attention at a glance. */
export type Heads = Act & Picture;

export interface Candidate {
  id: number;
  text: string;
  logit: number;
  probability: number;
}
/** A candidate with its share of what the cuts leave. */
export interface Left extends Candidate {
  share: number;
}
/** What comes after the token at `row`: the candidates, and the token that stands there. */
export interface Output {
  row: number;
  candidates: Candidate[];
  next: Candidate | null;
}

/** What stands whatever the numbers are, for so many tokens at one moment. */
export interface Description {
  title: string;
  stations: Station[];
  /** by the paths of the acts */
  acts: Record<string, Act>;
  /** tokens that are never written */
  forbidden: number[];
  moments: { step: number }[];
  /** whether there is another model to compare with */
  beside: boolean;
  /** where alignments are read; `head` null: the mean of all heads */
  head: { layer: number; head: number | null } | null;
}
/** What is read. */
export interface Text {
  texts: Texts;
  token_ids: TokenIds;
  labels: ByLabel<string | Region>;
  /** the number of its word for each token, null for special tokens */
  words: ByLabel<number | null>;
  remarks: string[];
}
/** What the numbers are, at a glance. */
export interface Overview {
  /** by the paths of the acts */
  pictures: Record<string, Picture>;
  output: Output[];
  /** what this host cannot compute of it */
  remarks?: string[];
}
/** All of it, with texts and regions apart. */
export interface Doc extends Omit<Description, "acts">, Omit<Text, "labels"> {
  labels: ByLabel<string>;
  regions: ByLabel<Region | null>;
  heads: Record<string, Heads>;
  output: Output[];
  moment: number | null;
  /** whether some of it was not computed again after an edit */
  partial: boolean;
}

export interface Contribution {
  name: string;
  path: string;
  head: number | null;
  value: number;
}
export interface LensRow {
  path: string;
  candidates: Candidate[];
}

/** What explorer/page.py puts into a file. */
export interface Given {
  description: Description;
  text: Text;
  overview: Overview;
  /** the output vocabulary */
  names: string[];
  /** the vocabularies of labels that have another one */
  entries: ByLabel<string>;
  /** max |weights . v - context used| of each head, by the paths of the acts */
  proofs: Record<string, number[]>;
}
/** With the model's weights. */
export interface GivenWhole extends Given {
  program: ProgramJson;
  blob: string;
  /** name -> the name under which the program holds the same tensor */
  aliases: Record<string, string>;
  beside: Packed;
  beside_blob: string;
}
/** Without: a program for each act of attention, and what was kept of the pass. */
export interface GivenActs extends Given {
  program?: undefined;
  acts: Record<string, { program: ProgramJson; blob: string }>;
  values: Packed;
  blob: string;
  /** row -> token -> what each part adds to its logit */
  contributions: Record<string, Record<string, Answers["contributions"]>>;
  lens: Answers["lens"][];
}

// What a page asks ----------------------------------------------------------------------------------------------------

/** The pass that a page looks at; see explorer/questions.py. */
export interface Pass {
  texts: Texts;
  token_ids: TokenIds | null;
  edits: Edit[];
  temperature: number;
  moment: number | null;
  beside?: boolean;
}

export interface Cuts {
  top_k?: number;
  top_p?: number;
  min_p?: number;
  chance?: number;
}

/** Numbers of a value; `pooled`: those furthest from 0 of at most 256 x 256 patches. */
export interface ValuesOf {
  kind: "values";
  path: string;
  step?: string;
  head?: number | null;
  rows?: Span | null;
  columns?: Span | null;
  pooled?: boolean;
}
export interface WeightOf {
  kind: "weight";
  name: string;
  rows?: Span | null;
  columns?: Span | null;
}
/** See explorer/questions.py. */
export type Question =
  | ValuesOf
  | WeightOf
  | { kind: "description" }
  | { kind: "text" }
  | { kind: "overview" }
  | { kind: "proof"; path: string; head: number }
  | { kind: "candidates"; row: number; cuts: Cuts }
  | { kind: "contributions"; row: number; token: number }
  | { kind: "lens"; row: number }
  | { kind: "names"; first: number; last: number }
  | { kind: "tokens"; label: string; text: string }
  | { kind: "words"; label: string; text: string }
  | { kind: "roles" }
  | { kind: "written" };
export type QuestionOf<K extends Question["kind"]> = Extract<Question, { kind: K }>;
/** A window that is read. */
export interface Window extends ValuesOf {
  step: string;
  head: number | null;
  rows: Span;
  columns: Span;
}

export interface Numbers {
  shape: number[];
  data: Float32Array | Float64Array;
}
/** The labels of the heads of each act, "" for none. */
export type Roles = Record<string, string[]>;
export interface Answers {
  description: Description;
  text: Text;
  overview: Overview;
  values: Numbers;
  weight: Numbers;
  proof: { proof: number };
  candidates: { candidates: Left[]; left: number; drawn: Left | null };
  /** `missing`: why there are none */
  contributions: { contributions: Contribution[]; missing: string | null };
  lens: { lens: LensRow[]; missing: string | null };
  names: { names: string[] };
  tokens: { token_ids: number[]; remarks: string[] };
  words: { words: string[]; count: number };
  roles: { roles: Roles };
  written: { token_ids: TokenIds; edits: Placed[]; remarks: string[] };
}
export type Answer = Answers[Question["kind"]];
/** As it travels: numbers in base64. */
export type AnswerJson = (Omit<Numbers, "data"> & { data: string }) | Exclude<Answer, Numbers> | { error: string };
export type AnswersTo<Q extends readonly Question[]> = { -readonly [I in keyof Q]: Answers[Q[I]["kind"]] };

/** Who answers: the application, the kernel of a notebook, or the file itself. */
export interface Host {
  /** what a page may do here beyond looking: ask about other texts */
  can: { ask: boolean };
  /** the names of the texts that are read; a file reads none */
  inputs?: string[];
  title?: string;
  /** whether there is a text before one was asked for */
  ready?: boolean;
  /** where the state is kept, if not in the page's address */
  keeper?: Keeper;
  /** to each question its answer, or why it has none */
  answer(of: Pass, questions: Question[]): Promise<(Answer | { error: string })[]>;
}

/** Where the state of a page is kept. */
export interface Keeper {
  /** as it was found: of any form */
  read(): unknown;
  write(state: Partial<State>): void;
  heard(call: () => void): void;
}

/** What anywidget gives a page in a notebook. */
export interface WidgetModel {
  get(name: "inputs"): string[];
  get(name: "title"): string;
  get(name: "state"): unknown;
  set(name: "state", value: Partial<State>): void;
  save_changes(): void;
  send(message: { id: string; asked: { of: Pass; questions: Question[] } }): void;
  on(name: "msg:custom", call: (message: WidgetMessage) => void): void;
  on(name: "change:state", call: () => void): void;
  off(name: string, call?: ((message: WidgetMessage) => void) | (() => void)): void;
}
export interface WidgetMessage {
  id: string;
  answers?: AnswerJson[];
  error?: string;
}

// What a page keeps ---------------------------------------------------------------------------------------------------

/** What is open: a value, of an act one of its steps, and where its window begins. */
export interface Open {
  path: string;
  step?: string;
  head?: number;
  first?: readonly number[];
}
/** An edit that says its place. */
export type Placed = Edit & { where: NonNullable<Edit["where"]> };
export interface Other {
  texts?: Texts;
  token_ids?: TokenIds | null;
  moment?: number | null;
  beside?: boolean;
}
export interface State {
  texts: Texts;
  token_ids: TokenIds | null;
  edits: Placed[];
  temperature: number;
  top_k: number;
  top_p: number;
  min_p: number;
  moment: number | null;
  open: Open | null;
  /** of what is open */
  cell: Cell | null;
  /** the row of the output that is explained; null: none; undefined: the page's own choice */
  token: number | null | undefined;
  level: "pieces" | "words";
  /** what the numbers are compared with */
  other: Other | null;
  threshold: number;
  specials: boolean;
}

// What a page draws ---------------------------------------------------------------------------------------------------

/** Where an operand stands: a place of a value or of a step, or of one of the model's tensors. */
export interface Place {
  path: string;
  step?: string;
  head?: number;
  cell: Cell;
}
export type From = Place | { path?: undefined; weight: string; cell?: Cell };
export interface Factor {
  label: string;
  from?: From | null;
}
export interface Term {
  label: string;
  a?: number;
  b?: number;
  product: number;
  from?: From | null;
  /** instead of `from`, where a term is a product of two places */
  factors?: Factor[];
  /** whether it is the number's own, in a sum that all of a row share */
  own?: boolean;
}
/** The terms of a number, what they make (null where they do not make it), and how. */
export interface Made {
  terms: Term[];
  total: number | null;
  sum: string;
  note?: string | null;
}
export interface Explanation extends Omit<Made, "sum"> {
  formula: string;
  sum?: string;
}
/** A number that is read, and where it stands. */
export interface Operand {
  x: number;
  from: Place | null;
}

export type Kind = "share" | "signed" | "masked";
/** A window of a matrix to draw. */
export interface Matrix {
  title: string;
  /** where it is */
  caption: string;
  /** the window's numbers */
  data: ArrayLike<number>;
  shape: readonly number[];
  /** [row, column] at which the window begins */
  first: readonly number[];
  /** [rows, columns] of the whole */
  total: readonly number[];
  kind: Kind;
  /** the size of the largest number of the whole, for the colours */
  most: number;
  /** of weights, the window's masked similarities: −∞ where a query may not look */
  mask: ArrayLike<number> | null;
  /** the one that is explained */
  cell: Cell | null;
  /** of the rows and of the columns; null where they are numbered */
  labels: (readonly string[] | null)[];
  regions: ((Region | null)[] | null)[];
  /** the names of the axes */
  axes: readonly string[];
  /** the numbers that these are compared with, and what those are in words */
  before: ArrayLike<number> | null;
  than: string;
  pick(row: number, column: number): void;
  move(first: number[]): void;
}

/** How the probability of a word has moved; see effect.js. */
export interface Move {
  row: number;
  text: string;
  old: number | null;
  now: number;
  other: string | null;
}

export type Child = Node | string | number | null | undefined | false | Child[];
type Listener<E extends Event, T extends Element> = (event: E & { target: T; currentTarget: T }) => unknown;
/** Attributes, properties, listeners and styles of an element. */
export interface Attributes {
  style?: Record<string, string>;
  onclick?: Listener<MouseEvent, HTMLElement> | null;
  onclose?: Listener<Event, HTMLDialogElement>;
  onchange?: Listener<Event, HTMLInputElement>;
  oninput?: Listener<Event, HTMLInputElement>;
  onkeydown?: Listener<KeyboardEvent, HTMLElement>;
  onscroll?: Listener<Event, HTMLElement>;
  onsubmit?: Listener<SubmitEvent, HTMLFormElement>;
  ontoggle?: Listener<ToggleEvent, HTMLDetailsElement>;
  [name: string]: unknown;
}
type Tag<K extends string> = K extends `${infer T}.${string}` ? T : K;
export type HtmlOf<K extends string> =
  Tag<K> extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Tag<K>] : HTMLElement;
export type SvgOf<K extends string> =
  Tag<K> extends keyof SVGElementTagNameMap ? SVGElementTagNameMap[Tag<K>] : SVGElement;

/** One run of a file's programs: what was seen, by path, step and call. */
export interface Seen {
  get(path: string, step?: string, call?: number): NDArray;
  has?(path: string): boolean;
}

"""`clearhead explore MODEL`: look inside and change numbers, in the browser."""

from __future__ import annotations

from clearhead.errors import ClearheadError, ConfigError
from clearhead.ranges import Port, check

__all__ = ["explore"]


def explore(
    model: str, text: str | None = None, *, beside: str | None = None, port: int = 0, browser: bool = True
) -> None:
    """Open a model in the browser: see every number from the tokens to the probabilities, and change any of them.

    It is served to this machine alone, at an address that is printed here and nowhere else, until Ctrl-C.

    Example: clearhead explore models/demo "The red house is big."

    Parameters
    ----------
    model
        a model folder
    text
        what the model reads first (you can change it in the page)
    beside
        another model of the same kind, to compare with number by number
    port
        where it listens (0: any free one)
    browser
        open the browser; without, the address is only printed
    """
    check(Port, "port", port)
    import json
    import socket
    import sys
    import webbrowser
    from urllib.parse import quote

    import uvicorn

    from clearhead.explorer.app import explorer, new_secret
    from clearhead.explorer.inspector import Inspector
    from clearhead.tasks.opened import load_inside

    task, other = load_inside(model), None if beside is None else load_inside(beside)
    if other is not None and other.inputs != task.inputs:
        problem = f"{beside} cannot stand beside {model}: it was trained to {other.name}, the other to {task.name}"
        raise ConfigError(problem, "name a model that reads the same kind of texts")
    inspector = Inspector(task, model, other)
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind(("127.0.0.1", port))
            place.listen()  # a browser that is quicker than the server waits
        except OSError as error:
            raise ClearheadError(f"port {port} cannot be used: {error.strerror}", "leave --port out") from None
        port, secret = place.getsockname()[1], new_secret()
        state = "" if text is None else "#s=" + quote(json.dumps({"texts": {task.inputs[0]: text}}))
        address = f"http://127.0.0.1:{port}/{secret}/{state}"
        print(address, flush=True)
        print("open this address in a browser on this machine; Ctrl-C ends it", file=sys.stderr)
        app = explorer(inspector, secret, port)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, ws="none"))
        if browser:
            webbrowser.open(address)
        server.run(sockets=[place])

/** The page of a file: its numbers stand in the page itself. */
import { FileHost } from "./host-file.js";
import { start } from "./page.js";

const given = JSON.parse(document.getElementById("given").textContent);
FileHost.open(given).then((host) => start(document.getElementById("clearhead"), host));

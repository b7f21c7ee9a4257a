/** The page of a file: its numbers stand in the page itself. */
import { FileHost } from "./host-file.js";
import { start } from "./page.js";

const [root, given] = ["clearhead", "given"].map((id) => document.getElementById(id));
if (root && given) FileHost.open(JSON.parse(given.textContent)).then((host) => start(root, host));

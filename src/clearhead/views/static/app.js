/** The application's page: its numbers come from the program that served it. */
import { AppHost } from "./host-app.js";
import { start } from "./page.js";

start(document.getElementById("clearhead"), new AppHost());

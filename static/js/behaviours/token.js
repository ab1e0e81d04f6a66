// A form whose token has expired was refused; the next try goes through.
import { renewToken } from "../lib/token.js";

document.addEventListener("csrf:renewed", ({ detail }) => renewToken(detail.token));

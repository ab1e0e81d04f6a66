import "./shared.js";
import "./behaviours/start.js";
import "./behaviours/embedded.js";
import "./behaviours/framed.js";
import "./behaviours/forget.js";
import "./behaviours/introducing.js";

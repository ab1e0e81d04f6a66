// Each behaviour attaches itself to what its data-* attributes mark. Pages work without any of them, more plainly.
import "./behaviours/times.js";
import "./behaviours/timeline.js";
import "./behaviours/live.js";
import "./behaviours/receipts.js";
import "./behaviours/composer.js";
import "./behaviours/counter.js";
import "./behaviours/started.js";
import "./behaviours/pictures.js";
import "./behaviours/unsent.js";
import "./behaviours/sending.js";
import "./behaviours/typing.js";
import "./behaviours/lightbox.js";
import "./behaviours/copy.js";
import "./behaviours/menus.js";
import "./behaviours/desk.js";
import "./behaviours/token.js";
import "./behaviours/versions.js";

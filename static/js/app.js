// Each behaviour attaches itself to what its data-* attributes mark. Pages work without any of them, more plainly.
import "./behaviours/times.js";
import "./behaviours/timeline.js";
import "./behaviours/live.js";
import "./behaviours/receipts.js";
import "./behaviours/elsewhere.js";
import "./behaviours/composer.js";
import "./behaviours/counter.js";
import "./behaviours/started.js";
import "./behaviours/pictures.js";
import "./behaviours/dropping.js";
import "./behaviours/unsent.js";
import "./behaviours/sending.js";
import "./behaviours/strangers.js";
import "./behaviours/typing.js";
import "./behaviours/lightbox.js";
import "./behaviours/copy.js";
import "./behaviours/menus.js";
import "./behaviours/questions.js";
import "./behaviours/toasts.js";
import "./behaviours/kept.js"; // before the desk, which gives it the focus
import "./behaviours/desk.js";
import "./behaviours/scrolling.js";
import "./behaviours/token.js";
import "./behaviours/versions.js";

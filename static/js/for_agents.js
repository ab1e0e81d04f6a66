import "./shared.js";
import "./behaviours/kept.js"; // before the ticket, which gives it the focus
import "./behaviours/lookers.js"; // before the queue, which takes the rest of the news
import "./behaviours/queue.js";
import "./behaviours/saved_drafts.js"; // after the queue, which reads what the server says
import "./behaviours/seen.js";
import "./behaviours/bulk.js";
import "./behaviours/opening.js";
import "./alerts/telling.js";
import "./alerts/reach.js";
import "./behaviours/ticket.js";
import "./behaviours/sorting.js";
import "./behaviours/saved_replies.js";
import "./behaviours/held.js";
import "./behaviours/mentions.js";
import "./behaviours/mentioned.js";
import "./behaviours/drawer.js";
import "./behaviours/choosing.js";
import "./behaviours/colours.js";
import "./behaviours/keys.js";
import "./behaviours/key_list.js";
import "./behaviours/palette.js";

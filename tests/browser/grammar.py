"""Hostile HTML out of a grammar: what makes parsers disagree, around what runs, fetches or leaves its place.

Everything comes out of one `random.Random`, so a seed and a number name an attack for good. Each attack has addresses of
its own, ``http://n<number>.hostile.test/n<number>/...``: what is asked for says who asked.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

HOST = "hostile.test"


def _words(text: str) -> list[str]:
    return text.split()


NEST = _words(
    "svg math foreignObject desc title annotation-xml mtext mi mo mn ms mglyph malignmark style noscript template "
    "textarea xmp plaintext select option optgroup table caption colgroup col tbody thead tr td th form p a b nobr button "
    "iframe noembed noframes object applet marquee details summary dialog frameset frame image isindex keygen menuitem "
    "ruby rb rt rtc rp hgroup listing pre br hr head body html main header section h1 li dd dt font center big "
    "blockquote div span video audio canvas embed input label fieldset legend map area picture source track slot portal "
    "script use animate set image text tspan path filter feImage mask pattern linearGradient a:b o:p v:rect x-y"
)
RAW = _words(
    "style title textarea xmp noscript noembed noframes iframe template plaintext script select svg math option"
)
"""Elements whose inside one parser reads as text and another as markup."""
VOID_HANDLERS = _words(
    "onerror onload onfocus ontoggle onbegin onend onpageshow onstart onanimationstart ontransitionend onscroll onwheel "
    "onmouseover onpointerrawupdate onbeforematch onscrollend oncontentvisibilityautostatechange onbeforetoggle ONERROR "
    "oNlOaD onsecuritypolicyviolation onhashchange onmessage onunhandledrejection onactivate onbeforecopy onfinish"
)
FETCHING = (
    ("img", "src"), ("img", "srcset"), ("img", "lowsrc"), ("img", "dynsrc"), ("img", "longdesc"), ("img", "usemap"),
    ("image", "src"), ("image", "href"), ("image", "xlink:href"), ("input", "src"), ("input", "formaction"),
    ("link", "href"), ("link", "imagesrcset"), ("body", "background"), ("table", "background"), ("td", "background"),
    ("tr", "background"), ("th", "background"), ("tbody", "background"), ("video", "src"), ("video", "poster"),
    ("audio", "src"), ("source", "src"), ("source", "srcset"), ("track", "src"), ("iframe", "src"), ("iframe", "srcdoc"),
    ("frame", "src"), ("frame", "longdesc"), ("embed", "src"), ("embed", "pluginspage"), ("object", "data"),
    ("object", "codebase"), ("object", "archive"), ("object", "classid"), ("object", "usemap"), ("applet", "code"),
    ("applet", "archive"), ("applet", "codebase"), ("script", "src"), ("script", "href"), ("script", "xlink:href"),
    ("use", "href"), ("use", "xlink:href"), ("feImage", "href"), ("base", "href"), ("html", "manifest"),
    ("head", "profile"), ("a", "ping"), ("a", "href"), ("area", "href"), ("area", "ping"), ("form", "action"),
    ("button", "formaction"), ("blockquote", "cite"), ("q", "cite"), ("ins", "cite"), ("del", "cite"), ("bgsound", "src"),
    ("layer", "src"), ("ilayer", "src"), ("portal", "src"), ("isindex", "action"), ("menuitem", "icon"),
    ("command", "icon"), ("v:fill", "src"), ("v:imagedata", "src"), ("xml", "src"), ("picture", "src"), ("div", "datasrc"),
    ("animate", "href"), ("set", "to"), ("animate", "values"), ("maction", "xlink:href"), ("math", "href"),
    ("mtext", "xlink:href"), ("p", "itemid"), ("p", "background"), ("p", "src"), ("fencedframe", "src"), ("model", "src"),
)  # fmt: skip
RELATIONS = _words(
    "stylesheet prefetch preload prerender preconnect dns-prefetch modulepreload icon manifest import alternate next "
    "apple-touch-icon mask-icon search pingback subresource compression-dictionary shortcut"
)
SCHEMES = _words("javascript vbscript data livescript mocha jar view-source feed about blob filesystem file wyciwyg x")
PROPERTIES = _words(
    "background background-image list-style list-style-image border-image border-image-source cursor content mask "
    "mask-image -webkit-mask -webkit-mask-image -webkit-border-image -webkit-box-reflect filter backdrop-filter "
    "clip-path shape-outside offset-path offset src behavior -moz-binding marker marker-start fill stroke "
    "font-family font color width height margin margin-top padding display white-space animation --x all zoom "
    "image-orientation anchor-name position-anchor view-transition-name float line-height letter-spacing word-spacing "
    "text-indent border border-width min-width max-height vertical-align caption-side text-decoration"
)
MOVES = _words("position top left right bottom inset z-index transform translate scale rotate opacity margin-left")
SPACES = (" ", " ", " ", "\n", "\t", "\f", "\r", "/", " / ", "\r\n", "\x00", "\x0b", "\u00a0", "")


def caps(rng: Random, name: str) -> str:
    """The same name in another case."""
    return "".join(rng.choice((char.upper(), char, char)) for char in name)


class Grammar:
    """Composes one body. `run` and `url` are this attack's own."""

    def __init__(self, rng: Random, number: int) -> None:
        self.rng = rng
        self.number = number
        self.run = f"window.ran={number}"
        self.count = 0

    def url(self) -> str:
        self.count += 1
        return f"http://n{self.number}.{HOST}/n{self.number}/{self.count}"

    def chance(self, part: float) -> bool:
        return self.rng.random() < part

    # -- addresses

    def scheme(self) -> str:
        """A script's address, in one of the ways that browsers once took."""
        name = self.rng.choice(SCHEMES[:3] if self.chance(0.7) else SCHEMES)
        rest = self.run if name != "data" else self.rng.choice((
            f"text/html,<script>parent.{self.run}</script>", "text/html;base64,PHNjcmlwdD53aW5kb3cucmFuPTE8L3NjcmlwdD4",
            f"image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='{self.run}'/>",
            f"application/xhtml+xml,<script xmlns='http://www.w3.org/1999/xhtml'>{self.run}</script>", ",x",
            f"image/png;base64,AAAA\"onerror=\"{self.run}", "text/css,@import'" + self.url() + "'",
        ))  # fmt: skip
        return self.disguise(f"{name}:{rest}", name)

    def disguise(self, address: str, name: str) -> str:
        """Entities, blanks and control characters in the scheme."""
        way = self.rng.randrange(11)
        at = self.rng.randrange(1, len(name) + 1)
        if way == 0:
            return caps(self.rng, name) + address[len(name) :]
        if way == 1:
            char = self.rng.choice("\t\n\r\x00\x01\x0b\x0c\u00ad\u200b\u2028\ufeff\u00a0")
            return address[:at] + char + address[at:]
        if way == 2:
            end = self.rng.choice((";", ""))
            zeros = "0" * self.rng.choice((0, 0, 5))
            form = self.rng.choice(("&#{0}{1}{2}", "&#x{0}{1:x}{2}", "&#X{0}{1:X}{2}"))
            return "".join(form.format(zeros, ord(char), end) for char in name) + address[len(name) :]
        if way == 3:
            return (
                address[:at]
                + self.rng.choice(("&Tab;", "&NewLine;", "&#9", "&#x0A;", "&#13;", "&nbsp;"))
                + address[at:]
            )
        if way == 4:
            return address.replace(":", self.rng.choice(("&colon;", "&#58", "&#x3a;", "%3a", "\uff1a", ":&#x0;")), 1)
        if way == 5:
            return (
                self.rng.choice(
                    (" ", "\x01", "\x1f", "&#1;", "&#x20;", "\u3000", "\ufeff", "\u2028", "\x7f", "\\", "/")
                )
                + address
            )
        if way == 6:
            return f"view-source:{address}"
        if way == 7:
            return address.replace("a", self.rng.choice(("\u0430", "\uff41", "%61", "\\u0061", "\\61 ")))
        if way == 8:
            return f"//{address}"
        return address

    def remote(self) -> str:
        """An address that a fetch would go to, in one of its spellings."""
        url = self.url()
        bare = url.partition("//")[2]
        if self.chance(0.5):
            return url
        return self.rng.choice((
            url, url, url, f"//{bare}", f"http:{bare}", f"http:/{bare}", f"http:\\\\{bare}", f"\\\\{bare}", f"/\\{bare}",
            f"HtTp://{bare}", f" \t\n{url}", f"h\tt\ntp://{bare}", f"ht&#x74;p&colon;//{bare}", f"http://x@{bare}",
            f"http://{bare}#\u202e", url.replace(".test", "\u3002test"), url.replace("hostile", "hos&shy;tile"),
            f"https:{bare}", f"///{bare}", f"http:///{bare}", f"ftp://{bare}", f"ws://{bare}", f"\x01{url}", f"url({url})",
            f"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><image href='{url}'/></svg>", f"{url} 2x, {url}a 1w",
            "cid:p@x", "CID:p%40x", "cid:nobody",
        ))  # fmt: skip

    # -- style

    def css(self) -> str:
        """Declarations: addresses in every property, escapes, functions, what moves things, giant values."""
        out = []
        for _ in range(self.rng.randrange(1, 4)):
            if self.chance(0.25):
                out.append(f"{self.rng.choice(MOVES)}{self.rng.choice((':', ' : ', ':/**/'))}{self._moved()}")
            else:
                out.append(f"{self.rng.choice(PROPERTIES)}:{self._value()}")
        css = self.rng.choice((";", " ; ", ";;", ";/**/", "}*{", ";\n")).join(out)
        if self.chance(0.15):
            css = css.replace("u", "\\75 ", 1) if self.chance(0.5) else css.replace("(", "/**/(", 1)
        if self.chance(0.1):
            at = self.rng.randrange(len(css))
            css = (
                css[:at]
                + self.rng.choice(("\\", "\x00", "/*", "*/", "<!--", "-->", "{", "}", "\\0", "\f", "\u2028"))
                + css[at:]
            )
        return css

    def _moved(self) -> str:
        return self.rng.choice((
            "fixed", "absolute", "sticky", "-webkit-sticky", "0", "-2000px", "-1e3em", "calc(0px - 999px)", "2147483647",
            "translate(-900px,-900px)", "scale(99)", "-99%", "- 5px", "-0.5e9px", "var(--x)", "env(x,-9px)", "0 -99px 0 0",
            "fixed!important", "-\u0665px", "attr(title px)", "max(-99px,-9px)",
        ))  # fmt: skip

    def _value(self) -> str:
        url = self.remote()
        return self.rng.choice((
            f"url({url})", f"url('{url}')", f'url("{url}")', f"URL( {url} )", f"u\\72l({url})", f"\\75\\72\\6c({url})",
            f"image-set('{url}' 1x)", f"-webkit-image-set(url({url}) 1x)", f"image('{url}')", f"src('{url}')",
            f"cross-fade(url({url}),red,50%)", f"element(#{url})", f"var(--x,url({url}))", f"env(x,url({url}))",
            "attr(title url)", "attr(src type(<url>))", f"expression({self.run})", f"url(javascript:{self.run})",
            "paint(x)", "-moz-element(#x)", f"url(data:image/svg+xml,<svg/onload={self.run}>)", "999999999px", "1e38px",
            "99999999999em", "-9999px", "red", "red;}}body{{display:none", "x'}}</style><script>" + self.run + "</script>",
            f"red url({url})", f"0 0 url({url})", f"url(/**/{url})", f"url(//n{self.number}.{HOST}/n{self.number}/c)",
            f"'\\\n';background:url({url})", f"\"'\" url({url})", f"rgb(1,2,url({url}))", f"rgb(0,0,0) url({url})",
            "flex", "grid", "contents", "-webkit-box", "run-in", "flow-root", "inherit", "x,y;position:fixed", "9" * 400,
        ))  # fmt: skip

    # -- tags

    def tag(self, name: str, attributes: list[tuple[str, str]]) -> str:
        """A start tag, its attributes written as badly as parsers will take."""
        rng = self.rng
        out = "<" + (caps(rng, name) if self.chance(0.2) else name)
        if self.chance(0.08) and attributes:  # twice: the first one counts
            attributes = [(attributes[0][0], "x"), *attributes]
        odd = self.chance(0.35)
        for attribute, value in attributes:
            quote = rng.choice(('"', '"', '"', "'", "'", "", "`")) if odd else rng.choice("\"'")
            equals = rng.choice(("=", "=", "=", " = ", "=\n", "\t=", "=\x00", "\x00=")) if odd else "="
            space = rng.choice(SPACES) if odd else " "
            if quote in "\"'" and quote:
                value = value.replace(quote, "&quot;" if quote == '"' else "&#39;")
            out += f"{space or (' ' if quote in ('', '`') else '')}{attribute}{equals}{quote}{value}{quote}"
            if self.chance(0.03):
                out += rng.choice(('"', "'", "=", "<", '="', "`", "/>", "\\"))
        end = rng.choice((">", ">", " >", "/>", "\n>", "//>", "", "<")) if odd else ">"
        return out + end

    def payload(self) -> str:
        """What runs, fetches, or moves."""
        rng = self.rng
        way = rng.randrange(12)
        if way == 0:
            return rng.choice((
                f"<script>{self.run}</script>", f"<script/x>{self.run}</script\t>", f"<ScRiPt >{self.run}</sCrIpT foo>",
                f"<script>/*</script>*/{self.run}</script>", f"<svg><script>{self.run}</script>", f"<script>{self.run}",
                f"<scr\x00ipt>{self.run}</script>", f"<<script>{self.run}//<</script>", f"<script type=module>{self.run}</script>",
                f"<svg><script>&#119;indow.ran={self.number}</script>", f"<script><!--{self.run}\n--></script>",
            ))  # fmt: skip
        if way < 4:
            name = rng.choice(
                (
                    "img",
                    "svg",
                    "video",
                    "input",
                    "details",
                    "body",
                    "math",
                    "marquee",
                    "a",
                    "p",
                    "x-y",
                    "image",
                    "audio",
                    "style",
                    "object",
                )
            )
            extra = [("src", "x")] if self.chance(0.7) else [("open", ""), ("autofocus", ""), ("tabindex", "1")]
            rng.shuffle(extra)
            if self.chance(0.6):  # what runs by itself
                name, extra, event = rng.choice((
                    ("img", [("src", "x")], "onerror"), ("svg", [], "onload"), ("body", [], "onload"), ("image", [("src", "x")], "onerror"),
                    ("video", [("src", "x")], "onerror"), ("input", [("autofocus", "")], "onfocus"), ("details", [("open", "")], "ontoggle"),
                    ("iframe", [], "onload"), ("style", [], "onload"), ("object", [("data", "x:")], "onerror"),
                ))  # fmt: skip
                return self.tag(name, [*extra, (event, self.run)])
            return self.tag(name, [*extra, (rng.choice(VOID_HANDLERS), self.run)])
        if way < 7:
            name, attribute = rng.choice(FETCHING)
            value = self.scheme() if self.chance(0.35) else self.remote()
            attributes = [(attribute, value)]
            if name == "link":
                attributes = [("rel", rng.choice(RELATIONS)), *attributes, ("as", "image")]
            if self.chance(0.15):
                attributes.append(
                    (rng.choice(("style", "title", "id", "name", "class", "is", "slot", "nonce", "width")), "1")
                )
            return self.tag(name, attributes) + rng.choice(("", "x", f"</{name}>"))
        if way < 9:
            return (
                self.tag(
                    rng.choice(("p", "div", "td", "ul", "a", "font", "svg", "body", "span")), [("style", self.css())]
                )
                + "x"
            )
        if way == 9:
            return self.tag("a", [("href", self.scheme())]) + "x</a>"
        if way == 10:
            sheet = rng.choice((
                f"@import '{self.url()}';", f"@import url({self.url()}) layer(x);", f"*{{{self.css()}}}", f"@charset 'utf-7';*{{{self.css()}}}",
                f"@font-face{{font-family:x;src:url({self.url()})}}*{{font-family:x}}", f"p{{color:red}}</style><img src={self.url()}>",
                f"@namespace url({self.url()});", f"@media all{{*{{{self.css()}}}}}", f"<!--*{{{self.css()}}}-->",
            ))  # fmt: skip
            return f"{self.tag('style', [])}{sheet}</style>"
        return rng.choice((
            f"<meta http-equiv=refresh content='0;url={self.remote()}'>", f"<meta http-equiv=refresh content=0;{self.scheme()}>",
            f"<meta http-equiv=Content-Type content='text/html; charset=utf-7'>+ADw-script+AD4-{self.run}+ADw-/script+AD4-",
            "<meta charset=utf-16le>", "<meta http-equiv=Set-Cookie content=x=1>", f"<base href={self.remote()}><img src=x>",
            f"<meta http-equiv=Content-Security-Policy content='img-src *'><img src={self.url()}>", f"<?xml-stylesheet href='{self.url()}'?>",
            f"<!DOCTYPE x [<!ENTITY y SYSTEM '{self.url()}'>]>&y;", f"<form id=f action={self.url()}><button form=f>x</button>",
            f"<a id=body name=head href={self.remote()}>x</a><a id=cookie>", f"<img usemap=#m src=cid:p@x><map name=m><area href={self.scheme()}>",
        ))  # fmt: skip

    def hidden(self, markup: str) -> str:
        """Markup where one parser sees text, a comment or an attribute and another may not."""
        rng = self.rng
        raw = rng.choice(RAW)
        attribute = rng.choice(
            ("title", "alt", "id", "name", "style", "href", "lang", "x", "summary", "datetime", "font")
        )
        close = rng.choice((f"</{raw}>", f"</{raw} >", f"</{raw.upper()}/>", f"</{raw}", "-->", "]]>", "--!>", ""))
        return rng.choice((
            f'<p {attribute}="{close}{markup.replace(chr(34), chr(39))}">x</p>', f"<a {attribute}='{close}{markup}'>x</a>",
            f"<b {attribute}=`{markup}`>", f'<i {attribute}="&quot;&gt;{markup.replace(chr(34), "")}">', f"<!--{markup}-->",
            f"<!-->{markup}-->", f"<!--->{markup}-->", f"<!--x--!>{markup}-->", f"<!-- --{markup} -- >{markup}-->", f"<!{markup}>",
            f"<?{markup}?>", f"</{markup}>", f"</ {markup}>", f"<%{markup}%>", f"<![CDATA[{markup}]]>", f"<![CDATA[<!--]]>{markup}",
            f"<svg><![CDATA[><{raw}>{markup}]]></svg>", f"<{raw}>{markup}</{raw}>", f"<{raw}><!--</{raw}>{markup}--></{raw}>",
            f'<{raw}><p title="</{raw}>{markup.replace(chr(34), chr(39))}"></{raw}>', f"<{raw}><a {attribute}='</{raw}>{markup}'>",
            f"<svg><{raw}><p {attribute}=\"</{raw}>{markup.replace(chr(34), chr(39))}\">", f"<math><mtext><table><mglyph><{raw}><!--</{raw}>{markup}",
            f"<math><annotation-xml encoding='text/html'><{raw}>{markup}", f"&lt;x&gt;{markup.replace('<', '&lt;').replace('>', '&gt;')}",
            f"<!--[if gte mso 9]>{markup}<![endif]-->", f"<![if !vml]>{markup}<![endif]>", f"<plaintext>{markup}", f"<{markup}",
            f"<form><math><mtext></form><form><mglyph><{raw}></math>{markup}", f"<table><td>{markup}<table>{markup}", f"<select>{markup}",
            f"<svg></p><{raw}><a id=\"</{raw}>{markup.replace(chr(34), chr(39))}\">", f"<{raw}><{raw}/>{markup}", markup * 2,
            f"<math><mi><{raw}></mi>{markup}</math>", f"<noscript><{raw}></noscript>{markup}</{raw}>", f"<x><{raw}\x00>{markup}</{raw}\x00>",
            f"<svg><desc><{raw}>{markup}</desc></svg>", f"<svg><title><{raw}></title>{markup}", f"<br><!---{markup}--->", f"\ufeff{markup}\ufffe",
        ))  # fmt: skip

    def nested(self, markup: str) -> str:
        """Elements around it, opened, closed, misnested or left open."""
        rng = self.rng
        before, after = "", ""
        for _ in range(rng.randrange(0, 6)):
            name = rng.choice(NEST)
            attributes: list[tuple[str, str]] = []
            if name == "annotation-xml":
                attributes = [("encoding", rng.choice(("text/html", "application/xhtml+xml", "x")))]
            elif self.chance(0.2):
                attributes = [(rng.choice(("id", "title", "style", "dir", "align", "bgcolor")), self._small())]
            before += self.tag(name, attributes) if attributes or self.chance(0.2) else f"<{name}>"
            if self.chance(0.15):
                before += rng.choice(
                    (
                        "x",
                        "</p>",
                        "</form>",
                        "<!--",
                        "</br>",
                        "</table>",
                        "<tr>",
                        "&amp",
                        "]]>",
                        "</svg>",
                        "</main>",
                        "</div>",
                    )
                )
            closing = f"</{name}>"
            after = closing + after if self.chance(0.6) else after + closing if self.chance(0.5) else after
        return before + markup + after

    def _small(self) -> str:
        return self.rng.choice(
            ("x", self.css(), "m-x", "watermark", '"><img src=x>', "rtl", "\u202e", "a b", "&lt;", "", "javascript:x")
        )

    def body(self) -> str:
        """A whole body of a few such pieces."""
        out = []
        for _ in range(self.rng.randrange(1, 4)):
            markup = self.payload()
            ways: tuple[Callable[[str], str], ...] = (self.hidden, self.nested)
            for _ in range(self.rng.choice((0, 0, 1, 1, 1, 2, 2, 3))):
                markup = self.rng.choice(ways)(markup)
                if len(markup) > 6000:
                    break
            out.append(markup)
        text = self.rng.choice(("", " ", "<p>x</p>", "\n")).join(out)
        if self.chance(0.06):
            at = self.rng.randrange(len(text) + 1)
            text = (
                text[:at]
                + self.rng.choice(("\x00", "<", ">", '"', "'", "&", "\ud800", "</main>", "<!--", "\x1b(J"))
                + text[at:]
            )
        return text[:20_000]

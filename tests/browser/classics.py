"""The classics of the published collections (html5sec, DOMPurify's and other sanitisers' regressions, the old mail clients'
own), written here in our words. ``{run}`` runs, ``{url}`` leads to the listener.

What `hostile` has is not repeated.
"""

from __future__ import annotations

CLASSICS = (
    # Namespaces: what is text in one and markup in the other.
    "<math><mtext><table><mglyph><style><math><img src onerror={run}></style>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={run}&gt;'>",
    "<form><math><mtext></form><form><mglyph><svg><mtext><style><path id='</style><img onerror={run} src>'>",
    "<math><annotation-xml encoding='text/html'><style><img src onerror={run}></style></annotation-xml></math>",
    "<math><annotation-xml encoding='application/xhtml+xml'><svg><foreignObject><p><style><!--</style><img src onerror={run}>",
    "<math><mi><malignmark><style><img src onerror={run}></style></malignmark></mi></math>",
    "<svg><foreignObject><math><mi></svg><style><img src onerror={run}></style>",
    "<svg><desc><noscript><img src onerror={run}></noscript></desc></svg>",
    "<svg><title><style><img src onerror={run}></title></svg>",
    "<svg><![CDATA[><img src onerror={run}>]]></svg>",
    "<math><![CDATA[</math><img src onerror={run}>]]>",
    "<svg><style><![CDATA[</style><img src onerror={run}>]]></style></svg>",
    "<svg><a><style><a title='</style><img src onerror={run}>'></a></svg>",
    "<svg></p><title><a id='</title><img src onerror={run}>'>",
    "<svg><p><textarea><img title='</textarea><img src onerror={run}>'>",
    "<math></br><textarea><img title='</textarea><img src onerror={run}>'>",
    "<svg><br><xmp><a title='</xmp><img src onerror={run}>'>",
    "<svg><font color=1><style><a title='</style><img src onerror={run}>'>",
    "<math><font/><style><a title='</style><img src onerror={run}>'>",
    "<svg><font face><iframe><a title='</iframe><img src onerror={run}>'>",
    "<svg><td></svg><style><a title='</style><img src onerror={run}>'>",
    "<table><svg><tr><style><a title='</style><img src onerror={run}>'>",
    "<table><math><select><mi><select><style><a title='</style><img src onerror={run}>'>",
    "<svg><script><![CDATA[{run}]]></script></svg>",
    "<svg><script>&lt;!--{run}--&gt;</script></svg>",
    "<svg><script xlink:href='data:,{run}'></script>",
    "<svg><script href=data:,{run} />",
    "<svg><animate href=#a attributeName=href values='javascript:{run}'/><a id=a><text>x</text></a></svg>",
    "<svg><a><animate attributeName=href to='javascript:{run}' dur=1s fill=freeze /><text y=9>x</text></a></svg>",
    "<svg><set attributeName=onmouseover to='{run}'/></svg>",
    "<svg><image href=x onerror={run} /></svg>",
    "<svg><handler xmlns:ev='http://www.w3.org/2001/xml-events' ev:event=load>{run}</handler></svg>",
    "<svg><listener event=load handler='#x' xmlns='http://www.w3.org/2001/xml-events'/></svg>",
    "<svg><tref xlink:href='{url}/tref#x'/><altGlyph href='{url}/glyph'/><cursor href='{url}/cur'/></svg>",
    "<svg><mpath href='{url}/mpath#x'/><pattern id=p href='{url}/pattern#x'/><linearGradient href='{url}/g#x'/></svg>",
    "<svg><style>@import '{url}/svgimport';</style><defs><style>*{fill:url({url}/fill)}</style></defs></svg>",
    "<svg xmlns:xlink='http://www.w3.org/1999/xlink'><foreignObject><iframe xlink:href='{url}' src='{url}/fo'></foreignObject>",
    "<math href='javascript:{run}'>x</math>", "<math><mtext href='javascript:{run}'>x</mtext></math>",
    "<math><semantics definitionURL='javascript:{run}' xlink:href='javascript:{run}'>x",
    # Nesting that parsers put right in different ways.
    "<form><div></form><form id=x><input name=attributes></form>", "<form><input name=parentNode><input id=nodeName></form>",
    "<form id=f><img name=body><img id=getElementById></form>", "<a id=defaultView><a id=defaultView name=href href=x:1>",
    "<table><tr><td><table><tr><td><form><table><tr><td><img src onerror={run}>", "<table>x<style>x</style><script>{run}</script>",
    "<table><caption><svg><caption><img src onerror={run}>", "<table><colgroup><template><script>{run}</script></template>",
    "<table><tr><template><td><img src onerror={run}></td></template></tr></table>", "<ruby><rt><select><rt><script>{run}</script>",
    "<select><option><table></select><img src onerror={run}></table>", "<select><iframe></select><img src onerror={run}>",
    "<select><script>{run}</script></select>", "<select><hr><svg onload={run}></select>", "<option><select><keygen><img src onerror={run}>",
    "<b><a><b><nobr><b><a><svg><b><style><a title='</style><img src onerror={run}>'>", "<a><p><a><table><a><td><a><img src onerror={run}>",
    "<nobr><table><nobr><tr><nobr><svg onload={run}>", "<p><svg><p><svg onload={run}>", "<h1><h2><h1><svg onload={run}></h2>",
    "<dd><dt><dd><li><dd><svg onload={run}>", "<button><button><svg onload={run}>", "</br></p></form></table><svg onload={run}>",
    "<body><svg><body onload={run}>", "<html><html onclick={run}><body onload={run}>", "<frameset onload={run}>", "<head><body><head><base href={url}/>",
    "<frameset><frame src={url}/fs></frameset><noframes>x</noframes>", "<body><p><frameset onload={run}>", "<isindex prompt='x' action={url}>",
    "<template><svg><template><img src onerror={run}></template></svg></template>", "<template shadowrootmode=open><img src onerror={run}></template>",
    "<div><template shadowrootmode=open><script>{run}</script><slot></slot></template>x</div>", "<div shadowroot=open><template><svg onload={run}>",
    # Text that is none.
    "<noscript><style></noscript><img src onerror={run}></style></noscript>", "<noscript><!--</noscript><img src onerror={run}>-->",
    "<noembed><img title='</noembed><img src onerror={run}>'></noembed>", "<noframes><style></noframes><img src onerror={run}>",
    "<textarea></textarea foo><img src onerror={run}>", "<title><style></title><img src onerror={run}></style>", "<xmp></xmp/><img src onerror={run}>",
    "<style></style/x><img src onerror={run}>", "<style><style /></style><img src onerror={run}>", "<style>*{x:'</style><img src onerror={run}>'}</style>",
    "<script></script\t/><img src onerror={run}>", "<script><!--<script></script>--><img src onerror={run}></script>", "<script>'<!--<script>'</script>{run}",
    "<comment><img src='</comment><img src=x onerror={run})//'>", "<listing>&lt;img onerror={run} src=x&gt;</listing>", "<plaintext/><svg onload={run}>",
    # Comments and their kin.
    "<!--><img src onerror={run}>-->", "<!---><img src onerror={run}>-->", "<!----!><img src onerror={run}>-->", "<!--x--!><img src onerror={run}>",
    "<!--<!--><img src onerror={run}>-->", "<!- ><img src onerror={run}>", "<!x=\"><img src onerror={run}>\">", "<?x ?><img src onerror={run}>?>",
    "<?xml-stylesheet type='text/css' href='{url}/pi.css'?>", "<!ELEMENT x><!ENTITY y '<img src onerror={run}>'>&y;", "</<img src onerror={run}>", "</ ><svg onload={run}>",
    "<//><svg onload={run}>", "<%=%><svg onload={run}>", "<!DOCTYPE html \"><svg onload={run}>", "<![if true]><svg onload={run}><![endif]>", "<!--[if true]><svg onload={run}><![endif]-->",
    "<!--[if IE]>--><svg onload={run}><!--<![endif]-->", "<!--\x00><svg onload={run}>-->", "<!--`--><svg onload={run}>", "<#--><svg onload={run}>",
    # Attributes.
    "<img src=`x` onerror=`{run}`>", "<img src='x`' onerror='{run}'>", "<img alt='``onerror={run}' src=x>", "<img src=\"x\"\"onerror={run}>", "<img src=x'\"onerror={run}>",
    "<img \x00src=x \x00onerror={run}>", "<img src=x onerror\x00={run}>", "<img src=x on\x00error={run}>", "<img/onerror={run}/src>", "<img\x0bsrc=x\x0bonerror={run}>", "<img\x0csrc=x\x0conerror={run}>",
    "<img src=x onerror=\n{run}\n>", "<img =src=x onerror={run}>", "<img ='x'onerror={run} src>", "<img src=x =onerror={run}>", "<img src=x <onerror={run}>", "<img src=x \"onerror={run}>", "<img src=x 'onerror={run}>",
    "<img src=x onerror  =  {run}>", "<IMG SRC=x ONERROR&#61;{run}>", "<img src=x onerror=&#119;indow.ran=1>", "<img src=x onerror='&#x77indow.ran=1'>", "<img src=x title='' onerror={run} onerror=x>", "<img src=x src=y srcset='{url}/dup'>",
    "<p title=\"a\nb\"onclick={run}>", "<p id='\"><svg onload={run}>'>", "<p lang='x\" onclick=\"{run}'>", "<a name='x\"><svg onload={run}>'>", "<time datetime='\"><svg onload={run}>'>", "<font color='\"><svg onload={run}>' face=\"'\">x",
    "<img width='1\" onerror=\"{run}' src=x>", "<td background='x\"onload={run}'>", "<a href='http://x/\"onclick=\"{run}'>x</a>", "<a href='http://x/`onclick=`{run}'>x</a>", "<a href=\"http://x/&quot;onclick=&quot;{run}\">x", "<p style='\"><svg onload={run}>'>",
    "<p style=\"font-family:'&quot;><svg onload={run}>'\">", "<p xml:base='{url}/' xlink:href='{url}/x' xmlns='{url}'>", "<p is=x-y contenteditable=true accesskey=x>", "<p popover=auto id=pop onbeforetoggle={run}><button popovertarget=pop>x", "<dialog open onclose={run}><form method=dialog>",
    "<p data-x='{url}' draggable=true ondragstart={run} itemprop=x itemscope>", "<p inert hidden=until-found onbeforematch={run}>", "<input type=hidden oncontentvisibilityautostatechange={run} style=content-visibility:auto>", "<p style=content-visibility:auto oncontentvisibilityautostatechange={run}>",
    "<button commandfor=x command=show-modal>", "<input list=x><datalist id=x><option label={url}></datalist>", "<label for=x><output for=x onforminput={run}>", "<meter onmouseover={run}>", "<progress onwheel={run}>",
    # Addresses.
    "<a href='javas\x00cript:{run}'>x</a>", "<a href='java\nscript:{run}'>x</a>", "<a href='&#1;javascript:{run}'>x</a>", "<a href='javascript&colon;{run}'>x</a>", "<a href='javascript&#58{run}'>x</a>", "<a href='javascript&#x003A;{run}'>x</a>",
    "<a href='&Tab;javascript:{run}'>x</a>", "<a href='java&Tab;script:{run}'>x</a>", "<a href='java&NewLine;script:{run}'>x</a>", "<a href='&#x6A;&#x61;&#x76;&#x61;script:{run}'>x</a>", "<a href='javascript://%0a{run}'>x</a>", "<a href='javascript:\u2028{run}'>x</a>",
    "<a href='\u2028javascript:{run}'>x</a>", "<a href='\u3000javascript:{run}'>x</a>", "<a href='\ufeffjavascript:{run}'>x</a>", "<a href='feed:javascript:{run}'>x</a>", "<a href='view-source:javascript:{run}'>x</a>", "<a href='jar:{url}!/x'>x</a>", "<a href='data:;base64,d2luZG93LnJhbj0x'>x</a>",
    "<a href='data:text/html;charset=utf-7,+ADw-script+AD4-{run}'>x</a>", "<a href='DATA:image/svg+xml,<svg/onload={run}>'>x</a>", "<a href='blob:null/x'>x</a>", "<a href='filesystem:x'>x</a>", "<a href='about:blank#{run}'>x</a>", "<a href='ms-its:x'>x</a>", "<a href='search-ms:query=x&crumb=location:\\\\evil.test\\x'>x</a>",
    "<a href='ms-msdt:/id x'>x</a>", "<a href='ms-word:ofe|u|{url}'>x</a>", "<a href='smb://evil.test/x'>x</a>", "<a href='\\\\evil.test\\x'>x</a>", "<a href='//evil.test/x'>x</a>", "<a href='file:\\\\evil.test\\x'>x</a>", "<a href='intent://x#Intent;scheme=http;end'>x</a>", "<a href='chrome://settings'>x</a>",
    "<a href='x' target=_self ping='{url}/ping' download=x.exe attributionsrc='{url}/attr'>x</a>", "<a href=# onclick={run} onfocusin={run} autofocus>x</a>", "<a xlink:href='javascript:{run}'>x</a>", "<a HREF='JAVASCRIPT:{run}'>x</a>", "<area href='javascript:{run}' shape=default><map name=x>", "<img usemap=#x src=x><map name=x><area href='{url}/area'>",
    "<img src='jAvAsCrIpT&colon;{run}'>", "<img src='data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9InBhcmVudC53aW5kb3cucmFuPTEiLz4='>", "<img src='data:text/html,<script>{run}</script>'>", "<img src='data:image/png;base64,AA\"onerror={run}'>", "<img src='data:image/png;base64,AA' srcset='{url}/ss'>",
    "<img dynsrc='javascript:{run}' lowsrc='{url}/low'>", "<input type=image src=x onerror={run}>", "<bgsound src='javascript:{run}'>", "<layer src='{url}/layer'></layer>", "<table background='javascript:{run}'>", "<br size='&{{run}}'>", "<div style='background:&{{run}}'>",
    "<img src='{url}/a b'>", "<img src='  {url}/blank'>", "<img src='HTTP://n.hostile.test:80/x'>", "<img src='http:n.hostile.test/x'>", "<img src='http:\\\\n.hostile.test\\x'>", "<img src='/\\n.hostile.test/x'>", "<img src='\\\\n.hostile.test/x'>", "<img src='ht\ntp://n.hostile.test/x'>", "<img src='///n.hostile.test/x'>",
    # Hints and rarer fetchers.
    "<link rel=preload href='{url}/pl' as=fetch crossorigin>", "<link rel=modulepreload href='{url}/mp'>", "<link rel='alternate stylesheet' href='{url}/as' title=x>", "<link rel=\"stylesheet\thead\" href='{url}/sh'>", "<link rel=preload as=image imagesrcset='{url}/is 1x'>", "<link rel=expect href=#x blocking=render>",
    "<link rel=compression-dictionary href='{url}/dict'>", "<script type=speculationrules>{\"prefetch\":[{\"urls\":[\"{url}/spec\"]}]}</script>", "<script type=importmap>{\"imports\":{\"x\":\"{url}/im\"}}</script>", "<script type=webbundle>{\"source\":\"{url}/wb\"}</script>", "<meta http-equiv=Link content='<{url}/ml>;rel=preload;as=image'>",
    "<meta name=referrer content=unsafe-url><img src='{url}/ref'>", "<meta http-equiv=x-dns-prefetch-control content=on><a href='{url}'>x", "<meta http-equiv=refresh content='0;URL=\"{url}/q\"'>", "<meta http-equiv=refresh content=' 0 , {url}/comma'>", "<meta http-equiv=set-cookie content='a=b'>", "<meta itemprop=x content={url}>",
    "<object data='{url}/o.swf' type='application/x-shockwave-flash'><param name=movie value='{url}/m'><embed src='{url}/e.swf' allowscriptaccess=always></object>", "<object classid='clsid:x' codebase='{url}/cb' archive='{url}/ar'><img src='{url}/fallback'></object>", "<applet archive='{url}/ap.jar' code=x>", "<object><param name=src value='javascript:{run}'></object>",
    "<video><source src='{url}/vs' onerror={run}></video>", "<video poster='javascript:{run}' controls>", "<audio><track kind=captions src='{url}/track' default>", "<picture><source srcset='{url}/pic' media=all><img src=x></picture>", "<fencedframe></fencedframe><portal src='{url}/por'>", "<iframe srcdoc='&lt;img src={url}/sd onerror=parent.{run}&gt;'>", "<iframe src='data:text/html;base64,PHNjcmlwdD4='>",
    "<iframe name='{url}' csp='x' loading=eager src='about:blank'>", "<embed src='data:image/svg+xml,<svg/onload={run}>'>", "<xml id=x src='{url}/xml'></xml><div datasrc=#x datafld=y dataformatas=html>", "<import implementation='{url}/htc'>", "<?import namespace=t implementation='#default#time2'?><t:set attributeName=innerHTML to='<img src=x onerror={run}>'>", "<html xmlns:t='urn:schemas-microsoft-com:time'>",
    "<v:shape style='behavior:url(#default#VML)'><v:imagedata src='{url}/vml'/></v:shape>", "<o:OfficeDocumentSettings><o:AllowPNG/></o:OfficeDocumentSettings><w:WordDocument>", "<amp-img src='{url}/amp' width=9 height=9></amp-img>", "<style amp4email-boilerplate>body{visibility:hidden}</style><script async src='{url}/v0.js'></script>",
    # Styles.
    "<p style='background:url(\"{url}/1\\\n\")'>x", "<p style='background:\\75rl({url}/2)'>x", "<p style='background:u\\rl({url}/3)'>x", "<p style='background:ur\\6C\n({url}/4)'>x", "<p style='b\\61ckground:url({url}/5)'>x", "<p style='background/**/:/**/url/**/({url}/6)'>x", "<p style='background:url({url}/7'>x",
    "<p style='--a:url({url}/8);background-image:var(--a)'>x", "<p style='background:var(--nope,url({url}/9))'>x", "<p style='background:-webkit-cross-fade(url({url}/10),url({url}/11),50%)'>x", "<p style='background:image-set(\"{url}/12\" type(\"image/png\"))'>x", "<p style='shape-outside:url({url}/13);float:left'>x", "<p style='clip-path:url({url}/14#x)'>x",
    "<p style='mask:url({url}/15);-webkit-mask-box-image:url({url}/16)'>x", "<p style='-webkit-box-reflect:below 0 url({url}/17)'>x", "<p style='offset-path:url({url}/18#p)'>x", "<p style='cursor:-webkit-image-set(url({url}/19) 1x),auto'>x", "<q style='quotes:\"x\";content:url({url}/20)'>x", "<p style='counter-increment:x;list-style:square url({url}/21)'>x",
    "<p style='behavior:url({url}/22)'>x", "<p style='-moz-binding:url({url}/23#x)'>x", "<p style='width:expre/**/ssion({run})'>x", "<p style='width:e\\78pression({run})'>x", "<p style='xss:\uff45xpression({run})'>x", "<p style='background:url(javascript:{run})'>x", "<p style='filter:progid:DXImageTransform.Microsoft.AlphaImageLoader(src={url}/24)'>x",
    "<p style='-o-link:\"javascript:{run}\";-o-link-source:current'>x", "<p style='color:red;/*'>x<p style='*/background:url({url}/25)'>x", "<p style='font:9px x,url({url}/26)'>x", "<p style='font-family:\"\\\"url({url}/27)'>x", "<p style='content:attr(title);position:fixed;inset:0' title='Signed and trusted'>", "<p style='color:attr(data-x type(<color>),url({url}/28))' data-x=x>x",
    "<style>@import '{url}/29' supports(x:y);</style>", "<style>@import\\20'{url}/30';</style>", "<style>@\\69mport '{url}/31';</style>", "<style>@namespace x '{url}/32';@page{margin:url({url}/33)}</style>", "<style>[title^=a]{background:url({url}/34)}</style><p title=ab>", "<style>@font-face{font-family:l;src:url({url}/35);unicode-range:U+41}*{font-family:l}</style>A",
    "<style>@property --x{syntax:'<url>';inherits:true;initial-value:url({url}/36)}</style>", "<style>@container(width>0){*{background:url({url}/37)}}</style>", "<style>@starting-style{*{background:url({url}/38)}}</style>", "<style media='(min-width:0)'>*{border-image:url({url}/39) 1}</style>", "<style type='text/less'>@import '{url}/40';</style>", "<style>*{color:red}<!--</style><img src onerror={run}>-->",
    # What leaves its place.
    "<div style='position:fixed;inset:0;background:red'>x", "<div style='position :\tfixed !important;top:0'>x", "<div style='position:\\66ixed;top:0;left:0'>x", "<div style='margin:-999px 0 0 -999px;width:2999px;height:2999px;background:red'>x", "<div style='margin:0 0 0 0;margin-block-start:-900px'>x", "<div style='inset-block-start:-900px;position:relative'>x",
    "<div style='translate:0 -900px;rotate:9deg;scale:9'>x", "<div style='transform:perspective(9px) translateZ(8px)'>x", "<div style='float:left;margin-left:-100%;width:100%'>x", "<div style='text-indent:-999px;letter-spacing:-99px;word-spacing:-99px'>x", "<div style='line-height:0;vertical-align:9999px'>x", "<div style='font-size:99999px'>OVER</div>",
    "<div style='width:99999999px;height:99999999px;background:red'>x", "<div style='border:9999999px solid red'>x", "<div style='padding:99999999px'>x", "<div style='display:none'>x</div></div></div></main><h1>Trusted</h1>", "<marquee direction=up height=999 scrollamount=99 style='background:red'>x", "<div style='columns:9;column-span:all;break-after:page'>x", "<div style='zoom:99;resize:both;overflow:visible'>x",
    "<div style='outline:9999px solid red;box-shadow:0 0 0 9999px red;text-shadow:0 -999px red'>x", "<div style='anchor-name:--a;position-anchor:--a;position-area:top'>x", "<div style='view-transition-name:root;animation:x 1s'>x", "<div style='mix-blend-mode:difference;isolation:auto;will-change:transform'>x", "<td style='position:absolute'><table style='position:fixed;top:0'><tr><td>x",
    "\u202eevil\u202c\u2066x", "<bdo dir=rtl>\u202e\u2067</bdo>", "<p dir=rtl style='unicode-bidi:bidi-override;direction:rtl'>txt.exe", "<details open ontoggle={run}><summary>x</summary></details>", "<a href=#m-x id=x name=x>x</a><a href=#>x", "<section class='cell security good'><b>Signed and trusted</b></section><header><h1>Trusted</h1></header>",
    # Bytes.
    "+ADw-img src+AD0-x onerror+AD0-{run}+AD4-", "\u00bcscript\u00be{run}\u00bc/script\u00be", "\uff1cscript\uff1e{run}\uff1c/script\uff1e", "&lt;script&gt;{run}&lt;/script&gt;", "&amp;lt;img src onerror={run}&amp;gt;", "%3Cscript%3E{run}%3C/script%3E", "\\u003cscript\\u003e{run}", "<\ufeffscript>{run}</script>", "<s\u0000cript>{run}</script>", "<\u017fcript>{run}</\u017fcript>",
    "<\u212aeygen autofocus onfocus={run}>", "<i\u0300mg src onerror={run}>", "<img src=x onerror=\u2028{run}>", "\x1b$B<img src=x onerror={run}>\x1b(B", "<img src=x\x85onerror={run}>", "<img src=x\u00a0onerror={run}>", "<img\u3000src=x onerror={run}>", "\ufffe<svg onload={run}>", "&#0;<svg onload={run}>&#xD800;", "&#60;svg onload={run}&#62;", "&LT;svg onload={run}&GT;", "&lt<svg onload={run}&gt",
)  # fmt: skip


def classic(number: int) -> str:
    """One of them, with addresses of its own (`grammar`)."""
    url = f"http://n{number}.hostile.test/n{number}"
    return CLASSICS[number - 1].replace("{run}", f"window.ran={number}").replace("{url}", url)

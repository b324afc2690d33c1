# ruff: noqa: E501
"""The catalogue: mainland China, Hong Kong, Macau, Taiwan."""

from __future__ import annotations

from guard.pii.layouts import ASSIGNED, SEP, TABLED, laid_out
from guard.pii.national import national
from guard.pii.rows import Edge, Road, Row

_S = SEP + "{0,3}"
_CN18 = laid_out(
    18, 18, (6, 8, 4), (6, 4, 4, 4), (3, 3, 4, 4, 4), (6, 12), (17, 1), (14, 4), (6, 8, 3, 1), last="[0-9Xx]"
)
_CN18_GATE = (
    rf"[1-8](?:{_S}[0-9]){{5}}{_S}[12]{_S}[089](?:{_S}[0-9]){{2}}{_S}[01](?:{_S}[0-9]){{6}}{_S}[0-9Xx]"
)
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使滬遼魯蘇贛晉陝閩粵貴雲寧瓊"
_USCC = "[0-9A-HJ-NPQRTUWXYa-hj-npqrtuwxy]"

_HELD = "驾驶 駕駛 执业 執業 资格 婚 毕业 残疾 残疾人 居住 游 准考 退休 岗".split()
_SAID = "证号 证号码 证编号 證號 證號碼 证字号 证书编号 证书号 证书号码 证书编码 证档案编号".split()
_LICENCES = (
    *(held + said for held in _HELD for said in _SAID),
    "驾照号",
    "驾照号码",
    "医学证明编号",
    "永久居留证",
    "永久居留证号",
)
"""What people call the number of a certificate or licence that somebody holds.

Of 结婚, 导游, 上岗 and 出生医学 only what is rare in prose: a head is looked for wherever its first character stands.
"""

CHINA = (
    Row(
        "pii.cn.resident_id", _CN18, Road.DIGITS, 0.97, 0.97, check="cn_resident_id", gate=_CN18_GATE, edge=Edge.DIGIT, country="CN",
        alphabet="groups", longest=69, laws=("pipl",),
    ),
    Row(
        "pii.cn.resident_id", _CN18, Road.DIGITS, 0.4, 0.75, check="cn_resident_id_shape", gate=_CN18_GATE, cue="cn_id", edge=Edge.DIGIT,
        country="CN", alphabet="groups", longest=69, laws=("pipl",),
    ),
    Row(
        "pii.cn.resident_id", r"[1-8][0-9]{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}",
        Road.DIGITS, 0.35, 0.85, check="cn_resident_id_15", cue="cn_id", country="CN", longest=15, laws=("pipl",),
    ),
    Row(
        "pii.cn.passport", r"(?:[EeGg][0-9]{8}|[Ee][A-HJ-NP-Za-hj-np-z][0-9]{7}|(?:[DdSsPp][Ee]|[Kk][Jj]|[Mm][Aa])[0-9]{7})",
        Road.DIGITS, 0.4, 0.9, cue="passport", country="CN", longest=9, laws=("pipl",),
    ),
    Row(
        "pii.cn.passport", r"[DdSsPpHh][0-9]{8}", Road.DIGITS, 0.37, 0.9, cue="passport", unless="approval", country="CN", longest=9, laws=("pipl",),
    ),
    Row(
        "pii.cn.passport", r"1[45][0-9]{7}", Road.DIGITS, 0.0, 0.8, cue="passport", country="CN", longest=9, laws=("pipl",),
    ),
    Row(
        "pii.cn.hm_permit", r"[HMCWhmcw][0-9]{8}(?:[0-9]{2})?", Road.DIGITS, 0.0, 0.85, cue="hm_permit", country="CN", longest=11,
        laws=("pipl",),
    ),
    Row(
        "pii.cn.tw_permit", r"[0-9]{8}(?:[0-9]{2})?", Road.DIGITS, 0.0, 0.7, cue="tw_permit", country="CN", longest=10,
        laws=("pipl",),
    ),
    Row(
        "pii.cn.plate", r"\x1a[A-Za-z][ .-]?(?:[DFdf][A-HJ-NP-Za-hj-np-z0-9][0-9]{4}|[0-9]{5}[DFdf])",
        Road.WHOLE, 0.8, 0.8, lead=_PROVINCES, country="CN", alphabet="plate", longest=9, laws=("pipl",),
    ),
    Row(
        "pii.cn.plate", r"\x1a[A-Za-z][ .-]?[A-HJ-NP-Za-hj-np-z0-9]{5}", Road.WHOLE, 0.75, 0.75, check="plate", lead=_PROVINCES,
        country="CN", alphabet="plate", longest=8, laws=("pipl",),
    ),
    Row(
        "pii.cn.plate", r"\x1a[A-Za-z][ .-]?[A-HJ-NP-Za-hj-np-z0-9]{4}\x1a", Road.WHOLE, 0.75, 0.75, check="plate", lead=_PROVINCES,
        tail="挂学警港澳领使", edge=Edge.FREE, country="CN", alphabet="plate", longest=8, laws=("pipl",),
    ),
    # An embassy's begins with 使, which is a verb before numbers, too.
    Row(
        "pii.cn.plate", r"(?P<value>[0-9]{3}[ .-]?[0-9]{3})", Road.AFTER, 0.0, 0.8, heads=("使",), cue="plate", country="CN", alphabet="groups", longest=7, laws=("pipl",),
    ),
    # Set apart (京 A 12345) it takes four digits and a province that is no plain word.
    Row(
        "pii.cn.plate", r"\x1a [A-Z][ .-]?(?:[DF][A-HJ-NP-Z0-9][0-9]{4}|[0-9]{5}[DF]?|[A-HJ-NP-Z][0-9]{4}|[0-9][A-HJ-NP-Z][0-9]{3}|[0-9]{2}[A-HJ-NP-Z][0-9]{2}|[0-9]{3}[A-HJ-NP-Z][0-9]|[0-9]{4}[A-HJ-NP-Z])", Road.WHOLE, 0.6, 0.8,
        lead="京津沪渝冀豫辽湘皖鲁苏浙赣鄂桂晋陕闽粤", cue="plate", country="CN", alphabet="plate", longest=10, laws=("pipl",),
    ),
    Row(
        "pii.cn.uscc", rf"[159ANYany][1239]{SEP}?[0-9]{{6}}{SEP}?{_USCC}{{10}}",
        Road.DIGITS, 0.6, 0.9, check="cn_uscc", cue="uscc", country="CN", alphabet="groups", longest=20,
    ),
    Row(
        "pii.hk.id", r"[A-Za-z]{1,2} ?[0-9]{6} ?[(][0-9Aa][)]", Road.DIGITS, 0.7, 0.95, check="hk_id", cue="hk_id", country="HK",
        edge=Edge.FREE, alphabet="groups", longest=13,
    ),
    Row(
        "pii.hk.id", r"[A-Za-z]{1,2}[0-9]{6}-[0-9Aa]", Road.DIGITS, 0.0, 0.9, check="hk_id", cue="hk_id", country="HK", longest=10,
    ),
    Row(
        "pii.hk.id", r"[A-Za-z]{1,2}[0-9]{6}[0-9Aa]", Road.DIGITS, 0.35, 0.9, check="hk_id", cue="hk_id", country="HK", longest=9,
    ),
    Row(
        "pii.tw.id", r"[A-Za-z][ -]?[1289][ -]?[0-9]{8}", Road.DIGITS, 0.45, 0.9, check="tw_id", cue="tw_id", country="TW", alphabet="groups", longest=12,
    ),
    national("tw.ubn", "99999999", check="tw.ubn"),
    Row(
        "pii.mo.id", r"[157][ /]?[0-9]{6} ?[(][0-9][)]", Road.NATION, 0.45, 0.9, cue="mo_id", edge=Edge.FREE, country="MO", alphabet="groups", longest=12, ahead=2,
    ),
    Row("pii.mo.id", r"[157][0-9]{7}", Road.NATION, 0.0, 0.8, cue="mo_id", country="MO", longest=8),
    national("cn.tax", "[0-9]{15}", "[0-9]{6}[0-9A-Z]{9}", "[0-9]{17}[0-9Xx]", "[0-9]{20}", cue="cn_tax"),
    Row(
        "pii.cn.license", r"\x1a?[ ]?[:=]?[ ]?(?P<value>(?=[A-Z-]{0,4}[0-9])[A-Z0-9](?:[A-Z0-9]|-(?=[A-Z0-9])){6,27})", Road.AFTER, 0.7, 0.7, country="CN", tail="是为為码碼", longest=28, laws=("pipl",),
        gate=r"\x1a?[ ]?[:=]?[ ]?[A-Z0-9][A-Z0-9-]{6,27}", heads=_LICENCES,
    ),
    national("cn.social_security", "[0-9]{8,12}", "[A-Z][0-9]{8}", cue="cn_social_security"),
    national("cn.bank_account", "[0-9]{10,22}", "9999 9999 9999 9999 [0-9]{1,3}", "9999 9999 9999 9999", "9999 9999 9999 [0-9]{1,4}", cued=0.7, cue="cn_bank_account"),
    Row(
        "pii.cn.officer_id", r"\x1a{0,4}[ :]{0,3}(?P<value>[0-9]{6,8})", Road.AFTER, 0.85, 0.85, country="CN", tail="号號第字", longest=8, laws=("pipl",),
        heads=("军官证", "军官证号", "軍官證", "士兵证", "士兵证号", "警官证", "警官证号", "文职干部证", "义务兵证"),
    ),
    Row(
        "pii.cn.officer_id", r"[ :]{0,2}(?P<value>[0-9]{6,8})(?=\x1a)", Road.AFTER, 0.0, 0.85, gate=r"[ :]{0,2}[0-9]{6,8}\x1a", cue="cn_officer", country="CN", longest=8, laws=("pipl",), heads=("字第",),
    ),
    Row(
        "pii.cn.wechat", r"(?:\x1a|(?i:id))?[ ]?[:=][ ]?(?P<value>[A-Za-z][A-Za-z0-9_-]{5,19})", Road.AFTER, 0.85, 0.85, country="CN", tail="号號是为", longest=20, laws=("pipl",),
        heads=("微信", "微信号", "薇信", "威信号", "微信账号", "V信", "v信", "加薇"),
    ),
    Row(
        "pii.cn.wechat", r"\x1a?[ ]?(?P<value>[A-Za-z][A-Za-z0-9_-]{5,19})", Road.AFTER, 0.75, 0.75, check="handle", country="CN", tail="号號是为搜", longest=20, laws=("pipl",),
        heads=("微信", "微信号", "薇信", "威信", "加微", "V信", "v信"),
    ),
    Row(
        "pii.cn.wechat", r"\x1a?(?i:vx?|wx)(?:\x1a[ :]{0,2}|[ :]{1,2})(?P<value>[A-Za-z][A-Za-z0-9_-]{5,19})", Road.AFTER, 0.75, 0.75, check="handle", country="CN", tail="我下个個", longest=20,
        laws=("pipl",), heads=("加",),
    ),
    Row(
        "pii.cn.wechat", r"(?:\x1a[ ,;(]{0,2}(?i:vx|wx)(?:\x1a[ :=]{0,2}|[ :=]{1,3})|(?i:vx|wx)\x1a[ :=]{0,2}|(?i:vx|wx)[ :=]{1,3}(?=[A-Za-z0-9_-]{6,20}[ ,.;]{0,2}\x1a))(?P<value>[A-Za-z][A-Za-z0-9_-]{5,19})", Road.WHOLE, 0.7, 0.7,
        check="handle", country="CN", longest=20, ahead=3, gate=r"(?:\x1a[ ,;(]{0,2}(?i:vx|wx)|(?i:vx|wx)[ :=]{0,2}\x1a|(?i:vx|wx)[ :=]{1,3}[A-Za-z])[A-Za-z0-9_\x1a :=-]{5}[A-Za-z0-9_-]*", laws=("pipl",),
    ),
    Row(
        "pii.cn.wechat", rf"(?i:we[_-]?chat|weixin|wxid)(?i:[ _-]?(?:id|no|num|number|account))?(?:{ASSIGNED}| is | )(?P<value>[A-Za-z][A-Za-z0-9_-]{{5,19}})", Road.WHOLE, 0.75, 0.75, check="handle",
        country="CN", longest=20, laws=("pipl",),
    ),
    Row("pii.cn.wechat", "wxid_[a-z0-9]{12,20}", Road.LITERAL, 0.85, 0.85, country="CN", longest=25, laws=("pipl",)),
    Row(
        "pii.cn.qq", rf"(?:(?i:qq(?:[ _-]?(?:no|num|number|id))?)(?:/?\x1a{{0,3}}[ :=#]{{0,3}}|{TABLED})|(?<=\x1a)[Qq](?:\x1a{{1,2}}[ :]{{0,2}}| ?[:=] ?))(?P<value>[1-9][0-9]{{4,10}})", Road.WHOLE, 0.88, 0.88, country="CN",
        gate=rf"(?:(?i:qq(?:[ _-]?(?:no|num|number|id))?)(?:/?\x1a{{0,3}}[ :=#]{{0,3}}|{TABLED})|[Qq](?:\x1a{{1,2}}[ :]{{0,2}}| ?[:=] ?))[1-9][0-9]{{4,10}}", longest=11, laws=("pipl",),
    ),
    Row(
        "pii.cn.qq", r"\x1a?[ :=#]{0,3}(?P<value>[1-9][0-9]{4,10})", Road.AFTER, 0.75, 0.75, country="CN", tail="号號是为", longest=11, laws=("pipl",),
        heads=("扣扣", "企鹅"),
    ),
    Row(
        "pii.cn.qq", r"[Qq][ :]{0,2}(?P<value>[1-9][0-9]{5,10})", Road.AFTER, 0.75, 0.75, country="CN", longest=11, laws=("pipl",), heads=("加",),
    ),
    Row(
        "pii.username", r"\x1a?[ ]?[:=]?[ ]?(?P<value>[A-Za-z0-9][A-Za-z0-9._-]{4,31})", Road.AFTER, 0.7, 0.7, check="handle", country="CN", tail="是为為", longest=32, laws=("pipl",),
        heads=("抖音号", "抖音號", "快手号", "小红书号", "小紅書號", "钉钉号", "微博号", "陌陌号", "陌陌號"),
    ),
    Row(
        "pii.username", r"(?:(?i:id)[ :=]{0,3}|[ ]?[:=][ ]?@?)(?P<value>[A-Za-z][A-Za-z0-9._-]{4,31})", Road.AFTER, 0.7, 0.7, check="handle", country="CN", longest=32, laws=("pipl",),
        heads=("抖音", "快手", "小红书", "小紅書", "钉钉", "微博", "陌陌", "知乎", "豆瓣", "贴吧"),
    ),
    Row(
        "pii.cn.postcode", r"\x1a?[ :=]{0,3}(?P<value>[0-8][0-9]{5})", Road.AFTER, 0.85, 0.85, country="CN", tail="是为", longest=6, laws=("pipl",),
        heads=("邮编", "邮政编码", "郵編", "郵政編碼", "郵遞區號", "邮政编号", "邮码"),
    ),
    # Taiwan's codes have five or six digits.
    Row(
        "pii.cn.postcode", r"\x1a?[ :=]{0,3}(?P<value>[1-9][0-9]{2}-?[0-9]{2,3})", Road.AFTER, 0.85, 0.85, country="TW", tail="是为為", longest=7, heads=("郵遞區號", "邮递区号"),
    ),
)  # fmt: skip

# ruff: noqa: E501
"""Own Chinese sentences around names, and without any: what the character tagger is trained on.

{n} a name, {x} a surname before a title, {g} a short name (小芳, 老王, or only a given name), {t} a transliterated name; {R} a role, {c} a
place, {o} an organisation, {D} a time, {N} a number, {v} a verb, {w} a noun, {a} an adjective, {d} an adverb, {s} a verb
of saying, {k} a relative. Written without sight of any evaluation text.
"""

ENTITY = """
{c}{R}{n}{s}，{w}{d}{v}{w}。
{R}{n}{s}：“{w}{d}{a}。”
{o}{R}{n}{D}{v}了{w}。
{D}，{n}{d}{v}{c}。
{D}，{c}{R}{n}在{o}{v}{w}。
{n}{s}，他{d}{v}{w}。
{n}和{n}{v}了{w}。
{n}、{n}、{n}等{N}人{v}{w}。
{n}与{n}{d}{v}{w}，{n}{d}{v}。
{n}的{w}{d}{a}。
{n}的{k}{s}，{w}{a}。
{k}{n}{d}{v}{w}。
在{c}，{n}{v}{w}。
由{n}{v}的{w}{d}{a}。
{R}{n}、{R}{n}{v}{w}。
{R}{n}（左）与{R}{n}在{c}。
{n}是{c}{o}的{R}。
{n}，{N}岁，{c}人，{R}。
{n}（{N}—{N}），{R}，{c}人。
{n}生于{D}，{v}{w}。
{n}{D}出生于{c}。
被告{n}{d}{v}{w}。
{n}说：“{w}{v}{w}。”
“{w}{d}{a}，”{n}说。
“{v}{w}，”{c}{R}{n}告诉记者。
记者{n}{c}报道
记者 {n} 通讯员 {n}
{o}记者{n}摄
新华社{c}{D}电（记者{n}）{w}{v}{w}。
本报讯 {R}{n}{v}{w}。
责任编辑：{n}
编辑：{n} 校对：{n}
主演：{n}、{n}、{n}
导演：{n}，编剧：{n}
演员{n}{v}了电影{w}。
歌手{n}的新歌{w}{v}。
球员{n}在第{N}分钟{v}{w}。
{t}传球，{t}{v}{w}。
{t}和{t}{v}，{c}队{v}{w}。
{c}总统{t}{D}{v}{c}。
{c}外长{t}{s}，{w}{d}{v}。
{t}在{c}{v}{w}。
前锋{t}{v}{w}，{t}{d}{v}。
{R}{t}{s}，{w}{v}{w}。
{t}是{c}的{R}。
作者{t}的《{w}》{v}。
{t}的{w}{d}{a}。
{n}战胜{n}，{v}{w}。
{n}以{N}比{N}击败{t}。
冠军{n}，亚军{n}。
{o}任命{n}为{R}。
{n}辞去{o}{R}职务。
{n}担任{o}{R}。
{o}创始人{n}{s}，{w}{v}。
{o}董事长{n}、总经理{n}{v}{w}。
{c}市委书记{n}{v}{w}。
{c}市长{n}{s}，{w}{d}{v}。
{n}同志{v}{w}。
{n}先生{v}{w}。
{n}女士{s}，{w}{a}。
{x}先生，您好！您的{w}已{v}。
{x}女士{d}{v}{w}。
{x}老师{D}{v}{w}，请{v}。
{x}经理{s}，{w}{v}。
{x}某{v}{w}，被{v}。
{x}总{D}去{c}{v}{w}。
{x}教授的{w}{d}{a}。
{x}医生{v}{w}。
尊敬的{n}先生：\\n您好！{w}{v}{w}。
尊敬的{x}女士，您的{w}已{v}。
{n}您好，请{v}{w}。
亲爱的{g}：\\n{w}{d}{a}。
你好，我是{o}的{n}。
我叫{n}，{N}岁，来自{c}。
我是{n}，想{v}{w}。
我的名字是{n}，{v}{w}。
大家好，我叫{n}，是{R}。
他叫{n}，{d}{v}{w}。
姓名：{n}
姓名：{n}，性别：男，电话：{N}
姓名：{n} 单位：{o} 职务：{R}
收件人：{n}\\n地址：{c}\\n电话：{N}
联系人：{n}，电话{N}
联系人{n}：{N}
请联系{n}，电话{N}。
客户姓名:{n},{w}:{N}
客户{n}{v}{w}。
患者{n}，{N}岁，{v}{w}。
经办人：{n} 审核人：{n}
申请人：{n}\\n日期：{D}
参会人员：{n}、{n}、{n}
出席会议的有{n}、{n}和{n}。
签名：{n}
此致\\n敬礼\\n{n}\\n{D}
{n}\\n{o}\\n{N}
祝好\\n{n}
发件人：{n}\\n收件人：{n}\\n主题：{w}{v}
{{"name":"{n}","city":"{c}"}}
{n},{c},{N}\\n{n},{c},{N}
用户{n}登录{v}
{D} 用户 {n} {v}了{w}
操作人：{n}，{w}：{v}
// {n} 负责{w}
# 作者：{n}
@{n} {v}一下{w}
@{n} 请{v}{w}
{g}{s}她{d}{v}{w}。
{g}，你{v}{w}了吗？
{g}和{g}去{c}{v}{w}了。
我和{g}{D}{v}{w}。
昨天{g}来{v}{w}。
问一下{n}，{w}{v}没有？
把{w}交给{n}。
请{n}{v}{w}，{n}{v}{w}。
让{n}{v}一下{w}。
帮我给{n}写一封{w}。
介绍一下{n}的{w}。
{n}是谁？
{n}什么时候{v}{w}？
你认识{n}吗？
{n}有没有{v}{w}？
请翻译：{n}{d}{v}{w}。
写一篇关于{n}的{w}。
写一个故事，主人公叫{n}，是{R}。
感谢{n}、{n}对{w}的{v}。
根据{n}等（{N}）的{w}，{w}{v}。
{n}：{v}{w}\\n{n}：{a}
{N}岁的{n}{v}{w}。
已故{R}{n}{v}{w}。
其中，{n}{v}{w}，{n}{v}{w}。
此外，{n}还{v}{w}。
据{n}介绍，{w}{d}{a}。
对此，{n}{s}，{w}{v}。
随后，{n}{v}{w}。
村民{n}{s}，{w}{a}。
市民{n}{v}{w}。
学生{n}{v}{w}。
业主{n}{d}{v}{w}。
同学{n}、{n}{v}{w}。
她的{k}{n}{v}{w}。
{n}夫妇{v}{w}。
{n}一家{d}{v}{w}。
{n}等人{v}{w}。
{n}在{w}中{s}，{w}{v}。
""".strip().split("\n")

NEGATIVE = """
{w}{d}{v}{w}。
{D}，{w}{v}{w}，{w}{d}{a}。
{c}{w}{v}{w}。
{o}{D}{v}{w}。
{o}{s}，{w}{d}{v}。
{R}{s}，{w}{v}{w}。
{R}们{d}{v}{w}。
{w}和{w}{d}{a}。
{w}、{w}、{w}等{w}{v}。
{v}{w}，{v}{w}，{v}{w}。
如何{v}{w}？
请{v}以下{w}。
请{v}{w}，然后{v}{w}。
什么是{w}？
为什么{w}{d}{a}？
帮我{v}一个{w}。
把{w}翻译成英文。
写一首关于{w}的诗。
该{w}用于{v}{w}。
如果{w}{v}，则{w}{v}。
{w}：{N}
{w}：{w}
姓名：[已隐藏]
{w}名称：{w}
{N}个{w}，{N}个{w}
第{N}章 {w}{v}
一、{w}{v}\\n二、{w}{v}
{c}和{c}的{w}{d}{a}。
{c}{c}{w}{v}
从{c}到{c}{v}{N}公里。
本{w}由{o}{v}。
{a}{w}{v}{a}{w}。
{w}的{w}的{w}{v}。
{d}{v}，{d}{v}，{d}{a}。
我{d}{v}{w}，你{v}{w}。
他们{d}{v}了{w}。
大家{v}{w}{v}{w}。
我们要{v}{w}，{v}{w}。
{D}{c}{w}{a}
{v}失败，请{v}{w}后{v}。
{v}成功
是否{v}{w}？
{w}不能为空
{w}已{v}，{w}{v}。
无法{v}{w}
默认{w}为{N}
{w}和{w}相{v}，于是{w}{d}{v}。
高{w}、大{w}、小{w}
任何{w}不得{v}{w}。
凡{w}者，应当{v}{w}。
""".strip().split("\n")

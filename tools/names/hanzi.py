#!/usr/bin/env python3
# ruff: noqa: E501
"""Build guard/data/hanzi.bin: Chinese words with class and frequency, and the characters of names.

Needs jieba (MIT) for its dictionary: `pip install jieba`. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import math
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import jieba
import orjson
from faker.providers.person.zh_CN import Provider

from guard.pii import hanzi as kinds

ROOT = Path(__file__).resolve().parents[2]
COMPOUND = "欧阳 司马 上官 诸葛 夏侯 东方 皇甫 尉迟 公孙 慕容 司徒 令狐 长孙 宇文 申屠 南宫 端木 独孤 轩辕 西门 百里 呼延 万俟 闻人 澹台 公冶 宗政 濮阳 淳于 单于 太叔 钟离 司空 赫连 拓跋 第五 左丘 东郭 公羊 完颜 纳兰 那拉 爱新觉罗 叶赫".split()
COMMON = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤常温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳欧阳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝"
GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂华建国文辉红玉梅春荣志宏海波东晓峰林鹏飞俊龙斌宇浩然子轩梓涵欣怡雨桐诗雅佳琪思远嘉豪天佑一诺可馨若曦紫萱语嫣晨曦博文泽楷睿雪琳瑶琼瑞珍珠莹倩婷婧媛慧颖璐蕾薇莉萍燕云凤仙月芬芝莲菊香翠淑惠贤德仁义礼智信忠孝诚正直光耀祖庆福禄寿喜祥瑞安康宁乐永恒长生山川河江湖泉源清洁亮朗晴阳旭昊昕晖曜辰星宸穹空凯旋胜利成功业伟大力健壮雄威武震霆雷电风云雨露霜雪冰霖沛润泽洪渊深广阔松柏杨柳桃李竹兰梅荷蓉芙茜茹荣苗萌芸芊苑蓓蔓蕊怀瑾瑜琛琦琳珂玲珊珏瑛璇璟维民学勤奋进步前程锦绣鸿图远志高超群越卓尔立新革故鼎尚品格致诚意修身齐家治平世杰邦彦钧铭鑫钰锋锐铁钢银金宝贵富才华思念恩惠慈爱怜心怡悦欢笑颜容美妍娇媚婉柔淑贞洁静雯雅韵音琴书画诗词歌赋梦蝶飞鸿雁鹤鹏凤凰麟骏骐驰骋冬夏秋春晓晨暮夕朝夜苏醒逸尘凡俗野旷达观澜清源溪涧汐潮汛海洋波涛浪沁润昌盛兴旺隆发达财丰盈满堂彬斌文武双全景行知止定邦卫疆国栋梁材楠梓桐榕杉樱柯棋楷模样轩宇宙航舟帆远征途坦荡毅恒坚韧敬业诚朴实厚重山岳峻岭崇岩岚峰崇"
FOREIGN = "阿埃艾爱安奥巴白班邦保鲍贝本比彼别宾波伯勃博布采查茨茶戴丹当道德登邓狄迪蒂丁东杜顿多厄恩尔法凡范菲费芬丰佛夫弗福盖甘冈高戈格葛根古瓜圭哈海汉豪赫黑亨胡华怀惠霍基吉加迦贾杰金津君卡凯坎康考柯科克肯孔库奎昆拉莱赖兰朗劳雷黎理里利莉丽林琳龙隆卢鲁路伦罗洛马玛迈麦曼芒毛梅门蒙孟米密敏明摩莫默姆穆纳娜南瑙内尼妮宁纽农努诺欧帕派潘庞佩彭皮匹平泼珀普奇齐恰强乔切琴丘萨塞赛桑瑟森沙莎山绍申圣施史舒斯丝思松苏索塔泰坦汤唐陶特滕提田廷通图托瓦万旺威韦维卫魏温文沃乌武伍西希悉席锡夏香肖谢辛欣休许逊雅亚延扬耶叶伊易因英雍尤约泽曾扎詹朱兹佐祖孜"
_ROLE_ENDS = "长员师家手者生官帅将军匠工星商客民夫妇人友委记总监教授主任经理老板老师书记主席总统总理博士院士队长选手先生女士同学同志警官律师医生护士记者作家演员导演歌手"
_CLASSES = {
    "v": 1,
    "d": 2,
    "c": 2,
    "p": 2,
    "u": 2,
    "r": 2,
    "f": 2,
    "y": 2,
    "ns": 3,
    "nt": 4,
    "m": 5,
    "q": 5,
    "t": 5,
    "a": 6,
    "z": 6,
    "b": 6,
}
_LEAST = 20


def entries() -> Iterator[tuple[str, int, str]]:
    """Word, count and tag of every entry of jieba's dictionary that is written in Hanzi."""
    for line in Path(jieba.__file__).with_name("dict.txt").read_text("utf-8").splitlines():
        word, count, tag = line.split()
        if all("\u4e00" <= char <= "\u9fff" for char in word):
            yield word, int(count), tag


def class_of(word: str, tag: str) -> int:
    """The class of a word by its tag and its ending."""
    if tag[0] == "n" and tag not in ("ns", "nt", "nz") and any(word.endswith(end) for end in _ends()):
        return kinds.ROLE
    return _CLASSES.get(tag, _CLASSES.get(tag[0], kinds.OTHER))


def _ends() -> tuple[str, ...]:
    return (
        *_ROLE_ENDS[:20],
        "友",
        "委",
        "总",
        "教授",
        "主任",
        "经理",
        "老板",
        "老师",
        "书记",
        "主席",
        "总统",
        "总理",
        "博士",
        "院士",
        "记者",
        "先生",
        "女士",
        "同学",
        "同志",
        "律师",
        "医生",
        "护士",
        "作家",
        "演员",
        "导演",
        "歌手",
        "董事",
    )


def given_names() -> Iterator[tuple[str, str]]:
    """Surname and given name of each person in the dictionary."""
    for word, _, tag in entries():
        if tag == "nr" and 2 <= len(word) <= 4:
            size = 2 if word[:2] in COMPOUND else 1
            if len(word) > size and (size == 2 or word[0] in COMMON):
                yield word[:size], word[size:]


def odds(seen: Counter[str], text: Counter[str], least: int) -> dict[str, int]:
    """Ten times the log odds of each character in names against text."""
    total, all_text = sum(seen.values()), sum(text.values())
    return {
        char: round(10 * math.log((count / total) / ((text[char] + 50) / all_text)))
        for char, count in seen.items()
        if count >= least
    }


def tables() -> dict[str, object]:
    """Surnames, characters of given names, characters of transliterations."""
    text: Counter[str] = Counter()
    for word, count, tag in entries():
        if not tag.startswith("nr"):
            for char in word:
                text[char] += count
    surname: Counter[str] = Counter()
    for rank, char in enumerate(dict.fromkeys(COMMON)):
        surname[char] += round(60_000 / (rank + 12))
    for name in Provider.last_names:
        if len(name) == 1:
            surname[name] += 20
    first: Counter[str] = Counter()
    last: Counter[str] = Counter()
    for _family, given in given_names():
        if len(given) <= 2:
            first[given[0]] += 1
            last[given[-1]] += 1
    for char in GIVEN:
        first[char] += 25
        last[char] += 25
    return {
        "surname": {c: v for c, v in odds(surname, text, 1).items() if v >= 0 or c in COMMON}, "compound": COMPOUND, "given": odds(first, text, 6),
        "last": odds(last, text, 6), "foreign": "".join(dict.fromkeys(FOREIGN)),
    }  # fmt: skip


def packed() -> bytes:
    """The file: the tables as JSON, then one byte a word, compressed."""
    words = {
        w: (c, t) for w, c, t in entries() if 2 <= len(w) <= 4 and not t.startswith("nr") and c >= _LEAST
    }
    ordered = sorted(words)
    values = bytes(
        class_of(word, words[word][1]) | min(15, int(math.log(words[word][0] / _LEAST))) << 3
        for word in ordered
    )
    head = orjson.dumps({"words": " ".join(ordered), **tables()})
    return zlib.compress(len(head).to_bytes(4, "little") + head + values, 9)


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "guard" / "data" / "hanzi.bin")
    options = parser.parse_args()
    data = packed()
    options.out.write_bytes(data)
    print(f"{len(data)} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()

# ruff: noqa: E501
"""Top-level domains that the scanner must know by name."""

from __future__ import annotations

IDN_ENDINGS = tuple(
    """
    中国 中國 公司 网络 網絡 香港 台湾 台灣 新加坡 在线 网址 网站 中文网 我爱你 移动 集团 企业 商城 政务 公益 机构 商标 商店
    时尚 手机 招聘 信息 娱乐 网店 餐厅 慈善 广东 佛山 健康 游戏 家電 みんな コム ストア グーグル クラウド ファッション
    """.split()
)
"""Those in Han and kana (IANA root zone, 2026), where a word boundary cannot be seen."""

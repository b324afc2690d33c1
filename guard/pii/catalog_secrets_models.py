# ruff: noqa: E501
"""The catalogue: keys of model providers and of what stands around models, as their documentation shows them (2026)."""

from __future__ import annotations

from guard.pii.keyrows import AN, B64, HEX, LOWER, UUID, begun, inside, key, said
from guard.pii.rows import Road

MODELS = (
    key("anthropic_key", rf"sk-ant-{B64}{{16,200}}", 207),
    key("openai_key", rf"sk-(?:proj|svcacct|admin|None|service|api)-{B64}{{20,250}}", 262),
    key("openai_key", rf"sk-{AN}{{16,64}}", 67, check="openai_key"),
    key("openrouter_key", rf"sk-or-v1-{HEX}{{64}}", 73),
    key("langfuse_key", rf"sk-lf-{UUID}", 42),
    key("helicone_key", r"sk-helicone(?:-(?:eu|cp))?-[a-z0-9]{7}-[a-z0-9]{7}-[a-z0-9]{7}-[a-z0-9]{7}", 50),
    key("dashscope_key", rf"(?i:dashscope|bailian|qwen)[A-Za-z_ .-]{{0,20}}[\"']?[ \t]{{0,3}}[:=][ \t]{{0,3}}[\"']?(?P<value>sk-{HEX}{{32}})", 35, road=Road.WHOLE, score=0.97),
    key("deepseek_key", rf"(?i:deepseek)[A-Za-z_ .-]{{0,20}}[\"']?[ \t]{{0,3}}[:=][ \t]{{0,3}}[\"']?(?P<value>sk-{HEX}{{32}})", 35, road=Road.WHOLE, score=0.97),
    key("moonshot_key", rf"(?i:moonshot|kimi)[A-Za-z_ .-]{{0,20}}[\"']?[ \t]{{0,3}}[:=][ \t]{{0,3}}[\"']?(?P<value>sk-{AN}{{48}})", 51, road=Road.WHOLE, score=0.97),
    inside("zhipu_key", rf"{HEX}{{32}}\.{AN}{{16}}", r"[^A-Za-z0-9][0-9a-f]{12,}\.[A-Za-z0-9]{12}", 49, check="random_key"),
    key("qianfan_key", rf"bce-v3/ALTAK-{AN}{{21}}/{HEX}{{40}}", 75),
    begun("groq_key", "gsk_", AN, 52),
    begun("xai_key", "xai-", AN, 80),
    begun("perplexity_key", "pplx-", AN, 40, 64),
    begun("replicate_key", "r8_", AN, 37),
    key("huggingface_token", r"(?:hf_|api_org_)[A-Za-z]{34}", 42),
    begun("together_key", "tgp_v1_", B64, 43),
    begun("fireworks_key", "fw_", AN, 22, 24, "random_key"),
    begun("anyscale_key", "esecret_", LOWER, 24, 40),
    begun("nvidia_key", "nvapi-", B64, 60, 70),
    key("langsmith_key", rf"lsv2_(?:pt|sk)_{HEX}{{32}}_{HEX}{{10}}", 51),
    key("pinecone_key", rf"pcsk_{AN}{{5,6}}_{AN}{{63}}", 75),
    begun("elevenlabs_key", "sk_", HEX, 48),
    begun("voyage_key", "pa-", B64, 43, 43, "random_key"),
    key("jina_key", rf"jina_{HEX}{{32}}{B64}{{28}}", 65),
    begun("cerebras_key", "csk-", LOWER, 48),
    key("tavily_key", rf"tvly-(?:(?:dev|prod)-)?{AN}{{32}}", 42),
    begun("firecrawl_key", "fc-", HEX, 32),
    begun("llamacloud_key", "llx-", AN, 48),
    begun("runpod_key", "rpa_", AN, 44, 46),
    begun("coze_token", "pat_", AN, 64),
    begun("dify_key", "app- dataset-", AN, 24, 24, "random_key"),
    begun("mem0_key", "m0-", AN, 40),
    inside("deepl_key", rf"{UUID}:fx", r"[0-9a-f]:fx", 39),
    begun("friendli_key", "flp_", AN, 40, 50),
    begun("wandb_key", "wandb_v1_", B64, 60, 90),
    said("mistral_key", "mistral", f"{AN}{{32}}", 32),
    said("cohere_key", "cohere", f"{AN}{{40}}", 40),
    said("azure_openai_key", "azure_?openai|aoai|cognitive", f"(?:{HEX}{{32}}|{AN}{{84}})", 84),
    said("volcengine_ark_key", "ark|doubao|volcengine", UUID, 36, score=0.915),
    said("wandb_key", "wandb", f"{HEX}{{40}}", 40),
    said("deepgram_key", "deepgram", f"{HEX}{{40}}", 40),
)  # fmt: skip

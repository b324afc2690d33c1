"""The closed vocabulary: words that the API itself fixes, and that therefore tell nothing about anybody."""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


# Every literal of the SDK's types for the mapped endpoints; a test holds this list to the installed SDK.
_SDK = _words("""
1024x1024 1024x1536 12h 1536x1024 16g 1g 24h 2h 30m 4g 64g 8h aac additional_tools all_turns allowed_tools
allowlist alloy always and application/zip apply_patch apply_patch_call apply_patch_call_output approximate
ash assistant audio auto babbage-002 back ballad base64 bio_policy block browser cache_hit cache_miss
calling cancelled cedar chat.completion chat.completion.chunk click client code_interpreter
code_interpreter_call code_interpreter_call.outputs commentary compaction compaction_trigger
comparison_response_not_found completed computer computer_call computer_call_output
computer_call_output.output.image_url computer_screenshot computer_use computer_use_preview concise
configuration_update connector_dropbox connector_gmail connector_googlecalendar connector_googledrive
connector_microsoftteams connector_outlookcalendar connector_outlookemail connector_sharepoint
container_auto container_file_citation container_reference content content_filter context_compacted coral
create_file critic current_turn custom custom_tool_call custom_tool_call_output data_residency_mismatch
davinci-002 daybreak_blue daybreak_red default default-2024-11-15 delete_file detailed developer direct
disabled discriminator double_click drag echo edit embedding empty_image_file enabled end_user_mismatch eq
error exec exit explicit failed failed_to_download_image fast file file_citation file_path file_search
file_search_call file_search_call.results final_answer find_in_page flac flex float forward function
function_call function_call_output generate generating gif gpt-3.5-turbo-instruct grammar gt gte high
http_error image image_content_policy_violation image_file_not_found image_file_too_large image_generation
image_generation_call image_parse_error image_too_large image_too_small image_url implicit in in_memory
in_progress incomplete inline input input_audio input_changed input_file input_image input_text interpreting
invalid_base64_image invalid_image invalid_image_format invalid_image_mode invalid_image_url invalid_prompt
item_reference jpeg json_object json_schema keypress lark left length linux list local local_shell
local_shell_call local_shell_call_output logs low lt lte mac marin max max_messages max_output_tokens mcp
mcp_approval_request mcp_approval_response mcp_call mcp_list_tools mcp_protocol_error
mcp_tool_execution_error medium message message.input_image.image_url message.output_text.logprobs minimal
misalignment_policy_violation model model_changed model_mismatch moderation_result moderation_results move
mp3 namespace ne never nin none omni-moderation-2024-09-26 omni-moderation-latest opaque open_page opus or
organization_mismatch original other output output_text pcm16 png potentially_unintended_data_access
potentially_unintended_data_transfer potentially_unintended_destructive_activity prefix_mismatch priority
pro program program_output programmatic programmatic_tool_calling prompt_cache_key_changed queued
rate_limit_exceeded reasoning reasoning.encrypted_content reasoning_effort_changed reasoning_text refusal
regex removed required response response.audio.delta response.audio.done response.audio.transcript.delta
response.audio.transcript.done response.code_interpreter_call.completed
response.code_interpreter_call.in_progress response.code_interpreter_call.interpreting
response.code_interpreter_call_code.delta response.code_interpreter_call_code.done
response.compaction.compacting response.completed response.content_part.added response.content_part.done
response.created response.custom_tool_call_input.delta response.custom_tool_call_input.done response.failed
response.file_search_call.completed response.file_search_call.in_progress
response.file_search_call.searching response.function_call_arguments.delta
response.function_call_arguments.done response.image_generation_call.completed
response.image_generation_call.generating response.image_generation_call.in_progress
response.image_generation_call.partial_image response.in_progress response.incomplete
response.mcp_call.completed response.mcp_call.failed response.mcp_call.in_progress
response.mcp_call_arguments.delta response.mcp_call_arguments.done response.mcp_list_tools.completed
response.mcp_list_tools.failed response.mcp_list_tools.in_progress response.output_item.added
response.output_item.done response.output_text.annotation.added response.output_text.delta
response.output_text.done response.queued response.reasoning_summary_part.added
response.reasoning_summary_part.done response.reasoning_summary_text.delta
response.reasoning_summary_text.done response.reasoning_text.delta response.reasoning_text.done
response.refusal.delta response.refusal.done response.shell_call_command.added
response.shell_call_command.delta response.shell_call_command.done response.shell_call_output_content.delta
response.shell_call_output_content.done response.web_search_call.completed
response.web_search_call.in_progress response.web_search_call.searching right sage scale score screenshot
scroll search searching server server_error service_tier_changed shell shell_call shell_call_output shimmer
skill_reference soonest standard steered stop summary_text svg system text text-embedding-3-large
text-embedding-3-small text-embedding-ada-002 text-moderation-latest text-moderation-stable text_completion
text_format_changed timeout tool tool_calls tool_search tool_search_call tool_search_output tools_changed
transparent turn_boundary type ubuntu ultrafast unavailable unknown unsupported_image_media_type update_file
url url_citation user vector_store_timeout verbosity_changed verse wait wav web_search web_search_2025_08_26
web_search_call web_search_call.action.sources web_search_call.results web_search_preview
web_search_preview_2025_03_11 webp wheel windows xhigh
""")

_BETA = _words("""
agent_message multi_agent_call multi_agent_call_output encrypted_content
spawn_agent interrupt_agent list_agents send_message followup_task wait_agent
""")

# Roles, finish reasons and filter results of compatible providers (Azure OpenAI, Mistral, vLLM, Ollama).
_COMPATIBLE = _words("""
keepalive response.cancelled
end_turn max_output_reached model_length tool_use eos abort safe list unknown text_offset
protected_material_code protected_material_text jailbreak indirect_attack profanity custom_blocklists
prompt severity filtered detected offset check_offset start_offset end_offset content_filter_results
content_filter_offsets prompt_filter_results prompt_index enabled disabled adaptive vllm
reasoning.text reasoning.summary reasoning.encrypted library openai openai-internal organization-owner
""")

_MODERATION = _words("""
harassment harassment/threatening hate hate/threatening illicit illicit/violent self-harm
self-harm/instructions self-harm/intent self_harm sexual sexual/minors violence violence/graphic
""")

# Keywords and simple types of JSON Schema 2020-12, as tool parameters and response formats use them.
_JSON_SCHEMA = _words("""
$schema $id $ref $defs $anchor $comment definitions type properties patternProperties additionalProperties
required enum const items prefixItems additionalItems minItems maxItems uniqueItems contains anyOf oneOf allOf
not if then else dependentRequired dependentSchemas title description default examples deprecated readOnly
writeOnly format pattern minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
minProperties maxProperties propertyNames nullable discriminator propertyName mapping strict
object array string number integer boolean null date date-time time email uri uuid ipv4 ipv6 hostname
#/$defs http://json-schema.org/draft-07/schema# https://json-schema.org/draft/2020-12/schema
""")

WORDS: frozenset[str] = frozenset(_SDK + _BETA + _COMPATIBLE + _MODERATION + _JSON_SCHEMA)
"""Strings that are never screened, in the places that hold words of the API."""

ROUTING: frozenset[str] = frozenset(
    _words("""
api_base base_url api_key api_type api_version extra_body extra_headers extra_query organization
custom_llm_provider provider route deployment deployment_id fallbacks models mock_response guardrails
data_sources transforms plugins
""")
)
"""Fields that would send a call elsewhere; never mapped, hence refused, and named in the refusal."""

"""The words of providers about what they refuse. Each row is as the provider writes it, or as a report
about another product quotes it."""

from __future__ import annotations

import json

import pytest

from claude_route.dialects import capability
from claude_route.dialects.chat import errors as chat_errors
from claude_route.dialects.messages import errors as messages_errors
from claude_route.dialects.messages import requests

IMAGES = [
    # DeepSeek
    (400, "Failed to deserialize the JSON body into the target type: messages[0]: unknown variant `image_url`, expected `text` at line 1 column 9"),
    (400, "Failed to deserialize the JSON body into the target type: messages[2].content: unknown variant `image`, expected one of `text`, `tool_use`, `tool_result`, `thinking` at line 1 column 971"),
    (400, 'Upstream request failed: [invalid_request_error] messages[3]: unknown variant "image_url", expected "text" at line 1 column 814913'),
    # OpenAI
    (400, "Invalid content type. image_url is only supported by certain models."),
    (400, "Invalid Value: 'image'. This model does not support image inputs."),
    (400, "You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png', 'jpeg', 'gif', 'webp']."),
    (400, "The image data you provided does not represent a valid image. Please check your input and try again with one of the supported image formats."),
    # OpenRouter, Xiaomi
    (404, "No endpoints found that support image input"),
    # Groq
    (400, "'messages.0' : for 'role:user' the following must be satisfied[('messages.0.content' : value must be a string)]"),
    (400, "messages[1].content must be a string"),
    # Z.ai
    (400, "API 调用参数有误，请检查文档。messages.content.type 参数非法，取值范围 ['text']"),
    (400, "messages.content.type parameter is illegal, range ['text']"),
    (400, "该模型不支持图片输入"),
    # Kimi
    (400, "Invalid request: the model kimi-k2-turbo does not support image input"),
    (400, "Image input is not supported for this model"),
    # Ollama, llama.cpp, vLLM, LM Studio
    (400, "this model does not support image input (ref: b8bd630e)"),
    (500, "this model is missing data required for image input"),
    (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
    (400, "unsupported content[].type"),
    (400, "At most 0 image(s) may be provided in one prompt."),
    (400, "meta-llama/Llama-3.1-8B-Instruct is not a multimodal model"),
    (400, "This model does not support multi-modal inputs"),
    (400, "Model does not support images. Please use a model that does."),
    # Bedrock, Mistral, Cerebras, Together, Fireworks, xAI, SiliconFlow, Copilot, Alibaba, NVIDIA, Volcano
    (400, "This model doesn't support the image content block that you provided. Remove the content block and try again."),
    (400, "The model returned the following errors: image content is not supported"),
    (400, "Image input is not enabled for this model"),
    (400, "Content type 'image_url' is not supported by this model"),
    (422, "Input validation error: this model can not process images"),
    (400, "The model accounts/fireworks/models/kimi-k2 doesn't support image inputs"),
    (400, "Image inputs are not supported by this model."),
    (400, "The model is not a VLM (Vision Language Model). Please use text-only prompts."),
    (400, "missing required Copilot-Vision-Request header for vision requests"),
    (400, "vision is not supported"),
    (400, "<400> InternalError.Algo.InvalidParameter: Unexpected item type in content."),
    (400, "Model only support text input"),
    (400, "Only text content type is supported"),
    (400, "Multimodal data is corrupted or cannot be processed"),
    (400, "`image_url` is not supported"),
    (400, "input_image is not allowed; expected text content only"),
    (400, "<400> InternalError.Algo.InvalidParameter: The content field's type should be `str` in messages."),
    (422, "body.messages.1.content.list[union[A,B]].1.A.type: Input should be 'text'"),
    (400, "input.contents: the model glm-5 only accepts text input"),
    # What is wrong with one image
    (400, "Could not process image"),
    (400, "Unable to process input image. Please retry or report in troubleshooting guide"),
    (400, "The image length and width do not meet the model restrictions. [height:1 or width:1 must be larger than 10]"),
    (400, "Failed to load image: cannot identify image file <_io.BytesIO object at 0x7f>"),
    (400, "Invalid image data"),
]  # fmt: skip

DOCUMENTS = [
    (400, "Failed to deserialize the JSON body into the target type: messages[3]: unknown variant `file`, expected `text`"),
    (400, "messages[1].content: unknown variant `document`, expected one of `text`, `image`, `tool_use`"),
    (422, "Input tag 'file' found using 'type' does not match any of the expected tags: 'text', 'image_url', 'input_audio'"),
    (400, "Input tag 'document' found using 'type' does not match any of the expected tags: 'image', 'text'"),
    (400, "Unknown part type: file"),
    (400, "unsupported content[].type"),
    (400, "Invalid Value: 'file'. This model does not support file content types."),
    (404, "No endpoints found that support PDF input"),
    (400, "This model doesn't support the document content block that you provided. Remove the content block and try again."),
    (400, "'claude-3-haiku' does not support PDF input."),
    (400, "document input is not supported by this model"),
    (400, "PDFs are not supported"),
    (400, "The PDF specified was not valid."),
    (400, "Could not process PDF"),
    (400, "'messages.0.content.1.type' : value is not one of the allowed values ['text','image_url']"),
    (400, "Invalid file data: 'file_data'. Expected a base64-encoded data URL"),
]  # fmt: skip

EFFORTS = [
    (400, "This model does not support the effort parameter."),
    (400, "Unsupported parameter: 'reasoning_effort' is not supported with this model."),
    (400, "Unrecognized request argument supplied: reasoning_effort"),
    (400, "`reasoning_effort` is not supported with this model"),
    (400, "Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. Please use /v1/responses instead."),
    (400, "Model grok-4 does not support parameter reasoningEffort."),
    (400, "'reasoning_effort' : value must be one of [\"none\", \"default\"]"),
    (400, "reasoning_effort: must be one of none or default"),
    (422, "body.output_config: Extra inputs are not permitted"),
    (400, "output_config.effort: unknown field"),
    (400, "Invalid value for reasoning_effort: 'xhigh'"),
    (400, "think value \"high\" is not supported for this model"),
    (400, "invalid reasoning value: 'max' (must be \"high\", \"medium\", \"low\", or \"none\")"),
]  # fmt: skip

SCHEMAS = [
    (400, "This model does not support response format `json_schema`. See supported models at https://console.groq.com/docs/structured-outputs"),
    (400, "output_config.format: Extra inputs are not permitted"),
    (400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."),
    (400, "This response_format type is unavailable now: json_schema is not supported"),
    (400, "Structured outputs are not supported by this model"),
]  # fmt: skip

OTHERS = [
    ("thinking_signature", 400, "messages.1.content.0: Invalid `signature` in `thinking` block"),
    ("thinking_signature", 400, "Thought signature is not valid. Please check your input"),
    ("thinking_signature", 400, "Corrupted thought signature."),
    ("thinking_signature", 400, "The encrypted content gAAAAB could not be verified."),
    ("thinking_type:adaptive", 400, "thinking: unknown variant `adaptive`, expected `enabled` or `disabled`"),
    ("thinking_type:adaptive", 400, "thinking: Input tag 'adaptive' found using 'type' does not match any of the expected tags: 'disabled', 'enabled'"),
    ("thinking_type:adaptive", 400, "adaptive thinking is not supported on this model"),
    ("thinking_type:adaptive", 400, "thinking.type: Input should be 'enabled' or 'disabled'"),
    ("thinking_type:enabled", 400, '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".'),
    ("cache_control_field", 422, "body.messages.0.content.0.cache_control: Extra inputs are not permitted"),
    ("cache_control_field", 400, "Unknown field cache_control"),
    ("media_budget", 400, "Too much media: 90 document pages + 20 images > 100"),
    ("media_budget", 400, "Too many images provided. This model supports up to 5 images"),
    ("media_budget", 400, "At most 4 image(s) may be provided in one request."),
]  # fmt: skip

NEITHER = [
    (400, "tools is not supported by this model"),
    (400, "registry.ollama.ai/library/gemma3 does not support tools"),
    (404, "No endpoints found that support tool use. To learn more about provider routing, visit"),
    (400, "No tool call found for function call output with call_id x"),
    (400, "Invalid 'messages': array too long. Expected an array with maximum length 2048"),
    (400, "max_tokens is too large: 128000. This model supports at most 16384 completion tokens, whereas you provided 128000."),
    (400, "messages.3: tool_use ids were found without tool_result blocks"),
    (400, "top_k: Extra inputs are not permitted"),
    (400, "The model `x` does not exist."),
    (400, "Invalid request"),
    (400, ""),
    (429, "image input is not supported, slow down"),
    (413, "image input is not supported"),
    (503, "image input is not supported"),
    (401, "image input is not supported"),
    (500, "reasoning_effort is not supported"),
]  # fmt: skip


def request(*kinds: str) -> requests.Request:
    content = [{"type": kind} for kind in kinds]
    messages = [
        {"role": "user", "content": content},
        {"role": "user", "content": '"image" "document"'},
    ]
    return requests.read(json.dumps({"model": "m", "messages": messages}).encode())  # fmt: skip


@pytest.mark.parametrize("asked, expected, rows", [
    (request("image"), "image_block", IMAGES),
    (request("document"), "document_block", DOCUMENTS),
    (request("image", "document"), "effort_unsupported", EFFORTS),
    (request(), "structured_outputs_unsupported", SCHEMAS),
])  # fmt: skip
def test_words(asked: requests.Request, expected: str, rows: list[tuple[int, str]]) -> None:
    classes = {
        words: capability.of_request(capability.refused(status, words), asked)
        for status, words in rows
    }
    assert classes == dict.fromkeys(classes, expected)


@pytest.mark.parametrize(("expected", "status", "words"), OTHERS)
def test_other_words(expected: str, status: int, words: str) -> None:
    asked = request("image", "document")
    assert capability.of_request(capability.refused(status, words), asked) == expected


@pytest.mark.parametrize(("status", "words"), NEITHER)
def test_something_else(status: int, words: str) -> None:
    asked = request("image", "document")
    assert capability.of_request(capability.refused(status, words), asked) == ""


@pytest.mark.parametrize(
    ("words", "kinds", "expected"),
    [
        ("Images and documents are not supported", ("image",), "image_block"),
        ("Images and documents are not supported", ("document",), "document_block"),
        ("This model does not support image input", (), ""),
        ("This model does not support image input", ("document",), ""),
        ("Could not process PDF", ("image",), ""),
        ("Too much media", (), ""),
        ("Too much media", ("document",), "media_budget"),
    ],
)
def test_what_the_request_lacks_is_not_refused(
    words: str, kinds: tuple[str, ...], expected: str
) -> None:
    asked = request(*kinds)
    assert capability.of_request(capability.refused(400, words), asked) == expected


def test_words_of_the_request_are_no_verdict() -> None:
    text = "the README says that this model does not support image input, which is a pity"
    for words in (
        f"[{{'type': 'missing', 'msg': 'Field required', 'input': '{text}'}}]",
        f'Cannot parse the tool call "{text}"',
    ):
        assert not capability.refused(400, words)


@pytest.mark.parametrize("translate", [chat_errors.translate, messages_errors.translate])
@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_both_dialects(translate: object, status: int) -> None:
    body = {"error": {"message": "Image input is not supported", "type": "invalid_request_error"}}
    error = translate(status, json.dumps(body).encode())  # type: ignore[operator]
    assert error.refuses == ("image_block",)
    assert error[:3] == (400, "invalid_request_error", "Image input is not supported")


def test_the_message_begins_with_the_class() -> None:
    assert capability.rejected("image_block", "No") == "capability_rejected: image_block (No)"

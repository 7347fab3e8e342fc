"""Does with one official library what a program of its users does, and prints
what came of it as JSON, a line for each router: client.py LIBRARY URL …"""

import json
import sys

SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}}
MESSAGES = [{"role": "user", "content": "hi"}]
OPENAI_TOOL = {"type": "function", "function": {"name": "exec", "description": "run", "parameters": SCHEMA}}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ADDRESS = "data:image/png;base64," + PICTURE
URL, out = "", {}


def gathered(pieces):
    pieces = [p for p in pieces if p]
    return {"text": "".join(pieces), "parts": len(pieces)}


def failing(call, kind, told):
    try:
        call()
    except kind as e:
        out["refused"] = dict(zip(("status", "message"), told(e)))


def vectors(call, kind, told):
    """How many numbers there are in each, or why there are none."""
    try:
        out["vectors"] = [len(v) for v in call()]
    except kind as e:
        out["unfit"] = dict(zip(("status", "message"), told(e)))


def of_ollama():
    import ollama

    o = ollama.Client(host=URL)
    out["whole"] = o.chat(model="tiny", messages=MESSAGES).message.content
    out["stream"] = gathered(p.message.content for p in o.chat(model="tiny", messages=MESSAGES, stream=True))
    called = o.chat(model="rogue", messages=MESSAGES, tools=[OPENAI_TOOL]).message.tool_calls[0].function
    out["tool"] = {"name": called.name, "arguments": dict(called.arguments)}
    out["seen"] = o.chat(model="tiny", messages=[{**MESSAGES[0], "images": [PICTURE]}]).message.content
    both = lambda: [*o.embed(model="tiny", input=["a", "b"]).embeddings, o.embeddings(model="tiny", prompt="a").embedding]
    vectors(both, ollama.ResponseError, lambda e: (e.status_code, e.error))
    out["generated"] = o.generate(model="tiny", prompt="hi").response
    out["models"] = [m.model for m in o.list().models]
    out["shown"] = o.show("tiny").capabilities
    out["running"] = len(o.ps().models) >= 0
    failing(lambda: o.chat(model="gone", messages=MESSAGES), ollama.ResponseError, lambda e: (e.status_code, e.error))


def of_openai():
    import openai

    o = openai.OpenAI(base_url=URL + "/v1", api_key="the-agents-own")
    make = o.chat.completions.create
    out["whole"] = make(model="tiny", messages=MESSAGES).choices[0].message.content
    stream = make(model="tiny", messages=MESSAGES, stream=True, stream_options={"include_usage": True})
    out["stream"] = gathered(p.choices[0].delta.content for p in stream if p.choices)
    called = make(model="rogue", messages=MESSAGES, tools=[OPENAI_TOOL]).choices[0].message.tool_calls[0].function
    out["tool"] = {"name": called.name, "arguments": json.loads(called.arguments)}
    content = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": ADDRESS}}]
    out["seen"] = make(model="tiny", messages=[{"role": "user", "content": content}]).choices[0].message.content
    both = lambda: [d.embedding for d in o.embeddings.create(model="tiny", input=["a", "b"]).data]
    vectors(both, openai.APIStatusError, lambda e: (e.status_code, e.message))
    out["models"] = [m.id for m in o.models.list()]
    failing(lambda: make(model="gone", messages=MESSAGES), openai.APIStatusError, lambda e: (e.status_code, e.message))


def of_responses():
    import openai

    o = openai.OpenAI(base_url=URL + "/v1", api_key="the-agents-own")
    tool = {"type": "function", "name": "exec", "description": "run", "parameters": SCHEMA, "strict": False}
    out["whole"] = o.responses.create(model="tiny", input="hi").output_text
    with o.responses.stream(model="tiny", input="hi") as stream:
        out["stream"] = gathered(e.delta for e in stream if e.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert final.output_text == out["stream"]["text"] and final.usage.output_tokens > 0, final
    with o.responses.stream(model="rogue", input="hi", tools=[tool]) as stream:
        called = next(i for i in stream.get_final_response().output if i.type == "function_call")
    out["tool"] = {"name": called.name, "arguments": json.loads(called.arguments)}
    content = [{"type": "input_text", "text": "hi"}, {"type": "input_image", "image_url": ADDRESS, "detail": "auto"}]
    out["seen"] = o.responses.create(model="tiny", input=[{"role": "user", "content": content}]).output_text
    failing(lambda: o.responses.create(model="gone", input="hi"), openai.APIStatusError, lambda e: (e.status_code, e.message))


def of_anthropic():
    import anthropic

    a = anthropic.Anthropic(base_url=URL, api_key="the-agents-own")
    tool = {"name": "exec", "description": "run", "input_schema": SCHEMA}
    out["whole"] = a.messages.create(model="tiny", max_tokens=100, messages=MESSAGES).content[0].text
    with a.messages.stream(model="tiny", max_tokens=100, messages=MESSAGES) as stream:
        out["stream"] = gathered(stream.text_stream)
    with a.messages.stream(model="rogue", max_tokens=100, messages=MESSAGES, tools=[tool]) as stream:
        called = next(b for b in stream.get_final_message().content if b.type == "tool_use")
    out["tool"] = {"name": called.name, "arguments": called.input}
    content = [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}, {"type": "text", "text": "hi"}]
    out["seen"] = a.messages.create(model="tiny", max_tokens=100, messages=[{"role": "user", "content": content}]).content[0].text
    out["models"] = [m.id for m in a.models.list()]
    out["count"] = a.messages.count_tokens(model="tiny", messages=MESSAGES).input_tokens
    failing(lambda: a.messages.create(model="gone", max_tokens=100, messages=MESSAGES), anthropic.APIStatusError, lambda e: (e.status_code, e.message))


def of_gemini():
    from google import genai
    from google.genai import errors, types

    g = genai.Client(api_key="the-agents-own", http_options=types.HttpOptions(base_url=URL))
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="exec", description="run", parameters_json_schema=SCHEMA)])
    config = types.GenerateContentConfig(tools=[tool], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True))
    make = g.models.generate_content
    out["whole"] = make(model="tiny", contents="hi").text
    out["stream"] = gathered(p.text for p in g.models.generate_content_stream(model="tiny", contents="hi"))
    called = make(model="rogue", contents="hi", config=config).function_calls[0]
    out["tool"] = {"name": called.name, "arguments": called.args}
    parts = [{"text": "hi"}, {"inline_data": {"mime_type": "image/png", "data": PICTURE}}]
    out["seen"] = make(model="tiny", contents=[{"role": "user", "parts": parts}]).text
    out["models"] = [m.name.replace("models/", "") for m in g.models.list()]
    out["count"] = g.models.count_tokens(model="tiny", contents="hi").total_tokens
    failing(lambda: make(model="gone", contents="hi"), errors.APIError, lambda e: (e.code, e.message))


libraries = {"ollama": of_ollama, "openai": of_openai, "responses": of_responses, "anthropic": of_anthropic, "gemini": of_gemini}
for URL in sys.argv[2:]:
    out = {}
    libraries[sys.argv[1]]()
    print(json.dumps(out))

package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

func ofOpenAI(ctx context.Context, base string, out *result) error {
	c := openai.NewClient(option.WithBaseURL(base+"/v1"), option.WithAPIKey(key))
	ask := openai.ChatCompletionNewParams{Model: "tiny", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hi")}}
	whole, err := c.Chat.Completions.New(ctx, ask)
	if err != nil {
		return err
	}
	out.Whole = whole.Choices[0].Message.Content
	stream := c.Chat.Completions.NewStreaming(ctx, ask)
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			out.Stream.add(choice.Delta.Content)
		}
	}
	if stream.Err() != nil {
		return stream.Err()
	}
	look := ask
	look.Messages = []openai.ChatCompletionMessageParamUnion{openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
		openai.TextContentPart("hi"), openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: address}),
	})}
	seen, err := c.Chat.Completions.New(ctx, look)
	if err != nil {
		return err
	}
	out.Seen = seen.Choices[0].Message.Content
	two, err := c.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: "tiny", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b"}}})
	if out.Unfit = refusedByOpenAI(err); err == nil {
		for _, d := range two.Data {
			out.Vectors = append(out.Vectors, len(d.Embedding))
		}
	}
	models, err := c.Models.List(ctx)
	if err != nil {
		return err
	}
	for _, m := range models.Data {
		out.Models = append(out.Models, m.ID)
	}
	ask.Model = "rogue"
	ask.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "exec", Description: openai.String("run"), Parameters: schema})}
	called, err := c.Chat.Completions.New(ctx, ask)
	if err != nil {
		return err
	}
	function := called.Choices[0].Message.ToolCalls[0].Function
	out.Tool.Name = function.Name
	if err := json.Unmarshal([]byte(function.Arguments), &out.Tool.Arguments); err != nil {
		return err
	}
	ask.Model = "gone"
	_, err = c.Chat.Completions.New(ctx, ask)
	out.Refused = refusedByOpenAI(err)
	return nil
}

func refusedByOpenAI(err error) *refused {
	var no *openai.Error
	if errors.As(err, &no) {
		return &refused{no.StatusCode, no.Message}
	}
	return nil
}

func ofResponses(ctx context.Context, base string, out *result) error {
	c := openai.NewClient(option.WithBaseURL(base+"/v1"), option.WithAPIKey(key))
	ask := responses.ResponseNewParams{Model: "tiny", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hi")}}
	whole, err := c.Responses.New(ctx, ask)
	if err != nil {
		return err
	}
	out.Whole = whole.OutputText()
	stream := c.Responses.NewStreaming(ctx, ask)
	for stream.Next() {
		if e := stream.Current(); e.Type == "response.output_text.delta" {
			out.Stream.add(e.Delta)
		}
	}
	if stream.Err() != nil {
		return stream.Err()
	}
	look := ask
	look.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{responses.ResponseInputItemParamOfMessage(responses.ResponseInputMessageContentListParam{
		responses.ResponseInputContentParamOfInputText("hi"), {OfInputImage: &responses.ResponseInputImageParam{Detail: "auto", ImageURL: openai.String(address)}},
	}, "user")}}
	seen, err := c.Responses.New(ctx, look)
	if err != nil {
		return err
	}
	out.Seen = seen.OutputText()
	ask.Model = "rogue"
	ask.Tools = []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{Name: "exec", Description: openai.String("run"), Parameters: schema}}}
	called, err := c.Responses.New(ctx, ask)
	if err != nil {
		return err
	}
	for _, item := range called.Output {
		if item.Type != "function_call" {
			continue
		}
		call := item.AsFunctionCall()
		out.Tool.Name = call.Name
		if err := json.Unmarshal([]byte(call.Arguments), &out.Tool.Arguments); err != nil {
			return err
		}
	}
	ask.Model = "gone"
	_, err = c.Responses.New(ctx, ask)
	out.Refused = refusedByOpenAI(err)
	return nil
}

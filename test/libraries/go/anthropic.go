package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

func ofAnthropic(ctx context.Context, base string, out *result) error {
	c := anthropic.NewClient(option.WithBaseURL(base), option.WithAPIKey(key))
	ask := anthropic.MessageNewParams{Model: "tiny", MaxTokens: 100, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hi"))}}
	whole, err := c.Messages.New(ctx, ask)
	if err != nil {
		return err
	}
	out.Whole = whole.Content[0].Text
	stream := c.Messages.NewStreaming(ctx, ask)
	for stream.Next() {
		if e := stream.Current(); e.Type == "content_block_delta" {
			out.Stream.add(e.Delta.Text)
		}
	}
	if stream.Err() != nil {
		return stream.Err()
	}
	models := c.Models.ListAutoPaging(ctx, anthropic.ModelListParams{})
	for models.Next() {
		out.Models = append(out.Models, models.Current().ID)
	}
	count, err := c.Messages.CountTokens(ctx, anthropic.MessageCountTokensParams{Model: "tiny", Messages: ask.Messages})
	if err != nil {
		return err
	}
	out.Count = count.InputTokens
	look := ask
	look.Messages = []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewImageBlockBase64("image/png", picture), anthropic.NewTextBlock("hi"))}
	seen, err := c.Messages.New(ctx, look)
	if err != nil {
		return err
	}
	out.Seen = seen.Content[0].Text
	ask.Model = "rogue"
	ask.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{Name: "exec", Description: anthropic.String("run"), InputSchema: anthropic.ToolInputSchemaParam{Properties: schema["properties"]}}}}
	called, err := c.Messages.New(ctx, ask)
	if err != nil {
		return err
	}
	for _, block := range called.Content {
		if block.Type != "tool_use" {
			continue
		}
		out.Tool.Name = block.Name
		if err := json.Unmarshal(block.Input, &out.Tool.Arguments); err != nil {
			return err
		}
	}
	ask.Model = "gone"
	_, err = c.Messages.New(ctx, ask)
	var no *anthropic.Error
	if errors.As(err, &no) {
		out.Refused = &refused{no.StatusCode, no.Error()}
	}
	return nil
}

// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/config/lint"
)

// sarifSchema is that of SARIF, the format in which code hosts take the findings of
// linters: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// besideLint are the kinds of findings that are not of a policy that loads alone.
var besideLint = []lint.Kind{
	{Code: lint.LoadError, Severity: lint.Error, Title: "an error that keeps the policy from loading",
		Why: "an agent does not start with it, and one that runs keeps the former policy"},
	{Code: "default_runtime", Severity: lint.Warning, Title: "a policy that does not list the default handler, which is the wrapper's",
		Why: "the wrapper refuses pods that the agent does not change"},
	{Code: "unread_annotation", Severity: lint.Warning, Title: "a pod's annotation for another tool that no grant accepts",
		Why: "it does nothing, unless the other tool runs"},
	{Code: "near_miss", Severity: lint.Warning, Title: "a pod's label or annotation that is nearly a request",
		Why: "it asks for nothing"},
	{Code: "shared_processes", Severity: lint.Warning, Title: "a pod that shares processes and is denied something",
		Why: "it is refused"},
}

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
}

type sarifTool struct {
	Driver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	} `json:"driver"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID      string       `json:"id"`
	Short   sarifText    `json:"shortDescription"`
	Full    sarifText    `json:"fullDescription"`
	Help    sarifText    `json:"help"`
	Default sarifSetting `json:"defaultConfiguration"`
}

type sarifSetting struct {
	Level string `json:"level"`
}

// sarifInvocation says whether everything was read, and what was not.
type sarifInvocation struct {
	Successful    bool          `json:"executionSuccessful"`
	Notifications []sarifNotice `json:"toolExecutionNotifications,omitempty"`
}

type sarifNotice struct {
	Level   string    `json:"level"`
	Message sarifText `json:"message"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
}

type sarifLocation struct {
	Physical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region struct {
			StartLine int `json:"startLine"`
		} `json:"region"`
	} `json:"physicalLocation"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Justification string `json:"justification"`
}

// writeSARIF writes the findings, those that a comment accepts as suppressed. unreadable
// is why not all pods could be read, or nil.
func writeSARIF(w io.Writer, policies []checked, unreadable error) error {
	run := sarifRun{Results: []sarifResult{}, Invocations: []sarifInvocation{{Successful: true}}}
	run.Tool.Driver.Name, run.Tool.Driver.Version = "nodegate", version
	for _, k := range slices.Concat(besideLint, lint.All) {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, ruleOf(k))
	}
	notRead := func(text string) {
		in := &run.Invocations[0]
		in.Successful = false
		in.Notifications = append(in.Notifications, sarifNotice{"error", sarifText{text}})
	}
	for _, p := range policies {
		if p.Failed != "" {
			notRead(p.Failed)
		}
		for i := range p.Findings {
			run.Results = append(run.Results, resultOf(&p.Findings[i]))
		}
	}
	if unreadable != nil {
		notRead(unreadable.Error())
	}
	return writeJSON(w, sarifLog{sarifSchema, "2.1.0", []sarifRun{run}})
}

func ruleOf(k lint.Kind) sarifRule {
	title := strings.ReplaceAll(k.Title, "`", "") // Markdown, which plain text is not
	return sarifRule{k.Code, sarifText{title}, sarifText{title + ": " + k.Why}, sarifText{k.Why}, sarifSetting{levelOf(k.Severity)}}
}

func resultOf(f *lint.Finding) sarifResult {
	text := f.What
	for _, part := range []string{f.Why, f.Write} {
		if part != "" {
			text += ": " + part
		}
	}
	r := sarifResult{RuleID: f.Code, Level: levelOf(f.Severity), Message: sarifText{text}, Locations: make([]sarifLocation, 1)}
	at := url.URL{Path: filepath.ToSlash(filepath.Clean(f.File))}
	if filepath.IsAbs(f.File) {
		at.Scheme = "file"
	}
	r.Locations[0].Physical.Artifact.URI = at.String()
	r.Locations[0].Physical.Region.StartLine = max(f.Line, 1)
	if f.Accepted != "" {
		r.Suppressions = []sarifSuppression{{"inSource", f.Accepted}}
	}
	return r
}

func levelOf(s lint.Severity) string {
	if s == lint.Info {
		return "note"
	}
	return string(s)
}

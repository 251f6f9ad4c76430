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

// object is an object of JSON.
type object map[string]any

func message(text string) object { return object{"text": text} }

// writeSARIF writes the findings, those that a comment accepts as suppressed. unreadable
// is why not all pods could be read, or nil.
func writeSARIF(w io.Writer, policies []checked, unreadable error) error {
	rules, results, unread := []object{}, []object{}, []object{}
	notRead := func(text string) { unread = append(unread, object{"level": "error", "message": message(text)}) }
	for _, k := range slices.Concat(besideLint, lint.All) {
		rules = append(rules, ruleOf(k))
	}
	for _, p := range policies {
		if p.Failed != "" {
			notRead(p.Failed)
		}
		for i := range p.Findings {
			results = append(results, resultOf(&p.Findings[i]))
		}
	}
	if unreadable != nil {
		notRead(unreadable.Error())
	}
	run := object{"results": results,
		"tool":        object{"driver": object{"name": "nodegate", "version": version, "rules": rules}},
		"invocations": []object{{"executionSuccessful": len(unread) == 0, "toolExecutionNotifications": unread}}}
	return writeJSON(w, object{"$schema": sarifSchema, "version": "2.1.0", "runs": []object{run}})
}

func ruleOf(k lint.Kind) object {
	title := strings.ReplaceAll(k.Title, "`", "") // Markdown, which plain text is not
	return object{"id": k.Code, "shortDescription": message(title), "fullDescription": message(title + ": " + k.Why),
		"help": message(k.Why), "defaultConfiguration": object{"level": levelOf(k.Severity)}}
}

func resultOf(f *lint.Finding) object {
	text := f.What
	for _, part := range []string{f.Why, f.Write} {
		if part != "" {
			text += ": " + part
		}
	}
	at := url.URL{Path: filepath.ToSlash(filepath.Clean(f.File))}
	if filepath.IsAbs(f.File) {
		at.Scheme = "file"
	}
	place := object{"artifactLocation": object{"uri": at.String()}, "region": object{"startLine": max(f.Line, 1)}}
	out := object{"ruleId": f.Code, "level": levelOf(f.Severity), "message": message(text), "locations": []object{{"physicalLocation": place}}}
	if f.Accepted != "" {
		out["suppressions"] = []object{{"kind": "inSource", "justification": f.Accepted}}
	}
	return out
}

func levelOf(s lint.Severity) string {
	if s == lint.Info {
		return "note"
	}
	return string(s)
}

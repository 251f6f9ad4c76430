// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	attestation "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	checksumsFile  = "checksums.txt"
	provenanceFile = "provenance.intoto.json"
	predicateType  = "https://slsa.dev/provenance/v1"
)

// writeChecksums writes what sha256sum -c reads of the files of a folder, without those of
// its folders, and a provenance statement about the same files.
func writeChecksums(o options, dir string) error {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return err
	}
	var list bytes.Buffer
	var subjects []*attestation.ResourceDescriptor
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		digest := hex.EncodeToString(sum[:])
		fmt.Fprintf(&list, "%s  %s\n", digest, e.Name())
		subjects = append(subjects, &attestation.ResourceDescriptor{Name: e.Name(), Digest: map[string]string{"sha256": digest}})
	}
	statement, err := statementOf(o, subjects)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, provenanceFile), statement, 0o644); err != nil {
		return err
	}
	sum := sha256.Sum256(statement)
	fmt.Fprintf(&list, "%x  %s\n", sum, provenanceFile)
	return os.WriteFile(filepath.Join(dir, checksumsFile), list.Bytes(), 0o644)
}

// statementOf says of what and how the files were built: an in-toto statement with SLSA's
// predicate. It is not signed: the publisher of a release signs it, with the builder's
// name. It has no time and no machine in it, as the files have not.
func statementOf(o options, subjects []*attestation.ResourceDescriptor) ([]byte, error) {
	parameters, err := structpb.NewStruct(map[string]any{"version": o.version, "epoch": float64(o.created.Unix())})
	if err != nil {
		return nil, err
	}
	version, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("asking go for its version: %w", err)
	}
	source := &attestation.ResourceDescriptor{Uri: "git+https://" + projectPath}
	if o.commit != "" {
		source.Digest = map[string]string{"gitCommit": o.commit}
	}
	p := &provenance.Provenance{
		BuildDefinition: &provenance.BuildDefinition{
			BuildType:          "https://" + projectPath + "/tree/main/hack/release",
			ExternalParameters: parameters,
			ResolvedDependencies: []*attestation.ResourceDescriptor{source,
				{Uri: "pkg:golang/stdlib@" + strings.TrimSpace(string(version))}},
		},
		RunDetails: &provenance.RunDetails{Builder: &provenance.Builder{Id: "https://" + projectPath + "/tree/main/hack/release"}},
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("the provenance: %w", err)
	}
	text, err := protojson.Marshal(p)
	if err != nil {
		return nil, err
	}
	predicate := &structpb.Struct{}
	if err := protojson.Unmarshal(text, predicate); err != nil {
		return nil, err
	}
	s := &attestation.Statement{Type: attestation.StatementTypeUri, Subject: subjects, PredicateType: predicateType, Predicate: predicate}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("the provenance's statement: %w", err)
	}
	if text, err = protojson.Marshal(s); err != nil {
		return nil, err
	}
	// protojson varies its spaces on purpose.
	var out bytes.Buffer
	err = json.Indent(&out, text, "", "  ")
	return append(out.Bytes(), '\n'), err
}

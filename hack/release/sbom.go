// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdxlib"
)

const unknown = "NOASSERTION"

// sbom lists nodegate and the modules linked into one of its builds as an SPDX 2.3 document.
func sbom(o options, name string, on platform, modules []module) ([]byte, error) {
	root := packageOf("nodegate", projectPath, o.version)
	root.PackageLicenseDeclared = "Apache-2.0"
	doc := &spdx.Document{
		SPDXVersion:    spdx.Version,
		DataLicense:    spdx.DataLicense,
		SPDXIdentifier: "DOCUMENT",
		DocumentName:   name + "-" + o.version + "-" + on.os + "-" + on.arch,
		CreationInfo: &spdx.CreationInfo{
			Created:  o.created.Format(time.RFC3339),
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "nodegate-release"}, {CreatorType: "Organization", Creator: "The nodegate authors"}},
		},
		Packages:      []*spdx.Package{root},
		Relationships: []*spdx.Relationship{relation("DOCUMENT", common.TypeRelationshipDescribe, root.PackageSPDXIdentifier)},
	}
	all := sha256.New()
	for i, m := range modules {
		p := packageOf(fmt.Sprintf("module-%d", i), m.path, m.version)
		doc.Packages = append(doc.Packages, p)
		doc.Relationships = append(doc.Relationships, relation(root.PackageSPDXIdentifier, common.TypeRelationshipDependsOn, p.PackageSPDXIdentifier))
		fmt.Fprintln(all, m.path, m.version, m.sum)
	}
	// A namespace must be unique to what the document says, and need not resolve.
	doc.DocumentNamespace = fmt.Sprintf("https://nodegate.dev/spdx/%s-%x", doc.DocumentName, all.Sum(nil)[:8])
	if err := spdxlib.ValidateDocument(doc); err != nil {
		return nil, fmt.Errorf("the list of what is linked is not valid SPDX: %w", err)
	}
	var out bytes.Buffer
	err := spdxjson.Write(doc, &out, spdxjson.Indent("  "))
	return out.Bytes(), err
}

func packageOf(id, path, version string) *spdx.Package {
	location := "https://" + path
	purl := "pkg:golang/" + path + "@" + version
	if path == "std" {
		location = "https://go.dev/dl/"
		purl = "pkg:golang/stdlib@" + version
	}
	return &spdx.Package{
		PackageName:             path,
		PackageSPDXIdentifier:   common.ElementID(id),
		PackageVersion:          version,
		PackageDownloadLocation: location,
		PackageLicenseConcluded: unknown,
		PackageLicenseDeclared:  unknown,
		PackageCopyrightText:    unknown,
		PackageExternalReferences: []*spdx.PackageExternalReference{
			{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: purl},
		},
	}
}

func relation(from common.ElementID, kind string, to common.ElementID) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.DocElementID{ElementRefID: from}, Relationship: kind, RefB: common.DocElementID{ElementRefID: to}}
}

// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// leastAttacks is how many tries there are to be.
const leastAttacks = 100

// The table of attacks in security.md has each test that is called so, with as many tries
// as it has.
func TestEveryAttackIsListed(t *testing.T) {
	_, page, _ := strings.Cut(read(t, "security.md"), "\n## Attacks\n")
	page, _, _ = strings.Cut(page, "\n## ")
	listed := map[string]int{}
	for _, m := range regexp.MustCompile("`(TestAttack\\w+)` \\((\\d+)\\)").FindAllStringSubmatch(page, -1) {
		if listed[m[1]] != 0 {
			t.Errorf("security.md has %s twice", m[1])
		}
		listed[m[1]], _ = strconv.Atoi(m[2])
	}
	sum := 0
	for name, tries := range attacks(t) {
		if listed[name] != tries {
			t.Errorf("security.md has %s with %d tries, and it has %d: write `%s` (%d) under Attacks", name, listed[name], tries, name, tries)
		}
		delete(listed, name)
		sum += tries
	}
	for name := range listed {
		t.Errorf("security.md names %s, which does not exist", name)
	}
	if sum < leastAttacks || !strings.Contains(page, fmt.Sprintf("%d tries", sum)) {
		t.Errorf("there are %d tries, of at least %d: write that number under Attacks", sum, leastAttacks)
	}
}

// attacks counts the tries of each test of an attack.
func attacks(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "bin"):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && strings.HasPrefix(f.Name.Name, "TestAttack") {
				out[f.Name.Name] += tries(f)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tries is how many cases a test has: the entries of each table that it goes through with
// t.Run, and one if there is none.
func tries(f *ast.FuncDecl) int {
	tables, count := map[string]int{}, 0
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if name, ok := to.(*ast.Ident); ok && len(n.Lhs) == len(n.Rhs) {
					tables[name.Name] = entries(n.Rhs[i], nil)
				}
			}
		case *ast.RangeStmt:
			if runs(n.Body) {
				count += entries(n.X, tables)
			}
		}
		return true
	})
	return max(count, 1)
}

func entries(of ast.Expr, tables map[string]int) int {
	switch of := of.(type) {
	case *ast.CompositeLit:
		return len(of.Elts)
	case *ast.Ident:
		return tables[of.Name]
	}
	return 0
}

// runs reports whether t.Run is called by these statements themselves, and not in the
// cases of another table.
func runs(body *ast.BlockStmt) (found bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.RangeStmt, *ast.FuncLit:
			return false
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "Run" {
				return true
			}
			of, ok := s.X.(*ast.Ident)
			found = found || ok && of.Name == "t"
		}
		return true
	})
	return found
}

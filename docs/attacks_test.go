// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// leastAttacks is how many tries there are to be.
const leastAttacks = 100

// attack is a test of attacks: how many it tries, and what its comment says they are.
type attack struct {
	tries int
	what  string
}

// testdata/attacks.txt lists each test of attacks, and security.md says how many tries there are.
func TestEveryAttackIsListed(t *testing.T) {
	const list = "testdata/attacks.txt"
	all := attacks(t)
	sum := 0
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		one := all[name]
		if one.what == "" {
			t.Errorf("%s has no comment that says what is tried", name)
		}
		fmt.Fprintf(&out, "%s (%d)\n    %s\n", name, one.tries, one.what)
		sum += one.tries
	}
	if *update {
		write(t, list, out.String())
	} else if read(t, list) != out.String() {
		t.Errorf("%s is not what the tests are: run this test with -update", list)
	}
	if sum < leastAttacks || !strings.Contains(read(t, "security.md"), fmt.Sprintf("%d tries", sum)) {
		t.Errorf("there are %d tries, of at least %d: write that number under Attacks of security.md", sum, leastAttacks)
	}
}

// attacks finds the tests of attacks in all of the repository.
func attacks(t *testing.T) map[string]attack {
	t.Helper()
	out := map[string]attack{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "bin"):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && strings.HasPrefix(f.Name.Name, "TestAttack") {
				out[f.Name.Name] = attack{tries: out[f.Name.Name].tries + tries(f), what: saidOf(f)}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// saidOf is the first paragraph of a test's comment, without the test's name.
func saidOf(f *ast.FuncDecl) string {
	text, _, _ := strings.Cut(f.Doc.Text(), "\n\n")
	return strings.TrimPrefix(strings.Join(strings.Fields(text), " "), f.Name.Name+": ")
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

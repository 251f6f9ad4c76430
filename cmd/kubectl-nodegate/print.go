// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/yaml"
)

// column is a column of a table; wide ones are shown with -o wide alone.
type column struct {
	name string
	wide bool
}

// tableWriter prints tables as kubectl does: later ones under the first one's header.
type tableWriter struct {
	columns []column
	wide    bool
	begun   bool
	out     io.Writer
}

func newTableWriter(out io.Writer, wide bool, columns []column) *tableWriter {
	return &tableWriter{columns: columns, wide: wide, out: printers.GetNewTabWriter(out)}
}

func (w *tableWriter) write(rows [][]any) error {
	table := &metav1.Table{}
	for _, c := range w.columns {
		d := metav1.TableColumnDefinition{Name: c.name, Type: "string"}
		if c.wide {
			d.Priority = 1
		}
		table.ColumnDefinitions = append(table.ColumnDefinitions, d)
	}
	for _, cells := range rows {
		table.Rows = append(table.Rows, metav1.TableRow{Cells: cells, Object: runtime.RawExtension{}})
	}
	p := printers.NewTablePrinter(printers.PrintOptions{Wide: w.wide, NoHeaders: w.begun})
	w.begun = true
	if err := p.PrintObj(table, w.out); err != nil {
		return err
	}
	return w.out.(interface{ Flush() error }).Flush()
}

// writeValue writes JSON or YAML.
func writeValue(out io.Writer, format string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	text = append(text, '\n')
	if format == "yaml" {
		if text, err = yaml.JSONToYAML(text); err != nil {
			return fmt.Errorf("writing YAML: %w", err)
		}
	}
	_, err = out.Write(text)
	return err
}

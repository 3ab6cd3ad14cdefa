package report

import (
	"encoding/json"
	"io"

	"workbook.example/tools/result"
)

// JSON writes a result for programs; docs/result.schema.json describes it.
func JSON(w io.Writer, r *result.Result) error { return encode(w, r) }

// JSONList writes results as an array, however many they are.
func JSONList(w io.Writer, results []*result.Result) error { return encode(w, results) }

func encode(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

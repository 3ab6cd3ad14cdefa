package report

import (
	"encoding/json"
	"io"

	"workbook.example/tools/result"
)

// JSON writes results for programs: one result as an object, several as an
// array. docs/result.schema.json describes the object.
func JSON(w io.Writer, results ...*result.Result) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if len(results) == 1 {
		return out.Encode(results[0])
	}
	return out.Encode(results)
}

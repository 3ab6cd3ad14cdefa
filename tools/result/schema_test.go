package result_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"workbook.example/tools/result"
)

var schemaFile = filepath.Join("..", "..", "docs", "result.schema.json")

func TestSchemaAcceptsAResultWithEverythingInIt(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	require.NoError(t, err)

	r := result.Result{Version: result.Version}
	fill(reflect.ValueOf(&r).Elem())
	require.NoError(t, schema.Validate(decoded(t, r)))

	// And one with nothing in it that may be left out.
	least := result.Result{
		Version: result.Version, Verdict: result.Pass, Source: result.Source{Kind: "learner"},
		Stages: []result.Stage{{Verdict: result.Pass, Tests: []result.Test{{Name: "TestX", Verdict: result.Pass}}}},
	}
	require.NoError(t, schema.Validate(decoded(t, least)))

	least.Verdict = "perhaps"
	require.Error(t, schema.Validate(decoded(t, least)))
}

// fill puts something into every field.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)))
		return
	case result.Verdict:
		v.SetString(string(result.Fail))
		return
	case result.Kind:
		v.SetString(string(result.KindLaw))
		return
	case result.Source:
		v.Set(reflect.ValueOf(result.Source{Kind: "bug", Name: "slow-reader"}))
		return
	case result.Isolation:
		v.Set(reflect.ValueOf(result.Isolation{Level: "none", Reason: "a reason", Remedy: "a command"}))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "Version" {
				fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.String:
		v.SetString("TestText")
	case reflect.Int:
		v.SetInt(3)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("no filling for " + v.Type().String())
	}
}

func decoded(t *testing.T, r result.Result) any {
	t.Helper()
	text, err := json.Marshal(r)
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return value
}

// object is the part of the schema that is about one of our types.
type object struct {
	Required   []string                   `json:"required"`
	Properties map[string]json.RawMessage `json:"properties"`
	Enum       []string                   `json:"enum"`
}

func readSchema(t *testing.T) map[string]object {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	var schema struct {
		Defs map[string]object `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(text, &schema))
	return schema.Defs
}

func TestSchemaHasTheFieldsOfTheTypes(t *testing.T) {
	defs := readSchema(t)
	for _, v := range []any{
		result.Result{}, result.Lab{}, result.Source{}, result.Points{}, result.Isolation{},
		result.Stage{}, result.Test{}, result.Failure{},
	} {
		typ := reflect.TypeOf(v)
		var all, required []string
		for i := range typ.NumField() {
			name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			all = append(all, name)
			if options != "omitempty" {
				required = append(required, name)
			}
		}
		def := defs[typ.Name()]
		require.ElementsMatch(t, all, slices.Collect(maps.Keys(def.Properties)), typ.Name())
		require.ElementsMatch(t, required, def.Required, typ.Name())
	}
}

func TestSchemaHasTheWordsOfTheConstants(t *testing.T) {
	defs := readSchema(t)
	for _, name := range []string{"Verdict", "Kind"} {
		require.ElementsMatch(t, constants(t, name), defs[name].Enum, name)
	}
}

// constants are the values of the constants of a type of package result.
func constants(t *testing.T, typ string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "result.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if of, ok := spec.Type.(*ast.Ident); ok && of.Name == typ {
				value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				require.NoError(t, err)
				values = append(values, value)
			}
		}
		return true
	})
	return values
}

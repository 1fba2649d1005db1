// Package openapi describes tables of routes: OpenAPI 3.1, with the schemas made
// from the Go types that the routes name. It serves nothing but that document.
package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/headrace/headrace/gateway/route"
)

// Info is the head of a document.
type Info struct {
	Title, Version, Description string
}

// Document describes the routes that are not hidden, at their paths without
// prefix. Two routes with the same ID, or two types of one name, are an error.
func Document(info Info, tables ...route.Table) (map[string]any, error) {
	s := &schemas{named: map[string]any{}, types: map[string]reflect.Type{}}
	paths := map[string]map[string]any{}
	seen, shapes := map[string]string{}, map[string]string{}
	for _, t := range tables {
		for _, r := range t.Routes {
			if r.Hidden {
				continue
			}
			if at, twice := seen[r.ID]; twice {
				return nil, fmt.Errorf("describe the API: the operation %s is at %s and at %s", r.ID, at, r.Path)
			}
			seen[r.ID] = r.Path
			r = firstNames(r, shapes)
			path := strings.ReplaceAll(r.Path, "...}", "}")
			if paths[path] == nil {
				paths[path] = map[string]any{}
			}
			paths[path][strings.ToLower(r.Method)] = s.operation(r, t.Error)
		}
	}
	if s.twice != "" {
		return nil, fmt.Errorf("describe the API: %s", s.twice)
	}
	return map[string]any{
		"openapi":    "3.1.0",
		"info":       map[string]any{"title": info.Title, "version": info.Version, "description": info.Description},
		"paths":      paths,
		"components": map[string]any{"schemas": s.named},
	}, nil
}

// firstNames gives the parameters of a path the names of the route that had
// the shape first: OpenAPI knows paths by their shape.
func firstNames(r route.Route, shapes map[string]string) route.Route {
	shape := route.Shape(r.Path)
	first, known := shapes[shape]
	if !known {
		shapes[shape] = r.Path
		return r
	}
	own, names := route.PathParams(r.Path), route.PathParams(first)
	r.Path, r.Params = first, slices.Clone(r.Params)
	for i := range r.Params {
		if at := slices.Index(own, r.Params[i].Name); at >= 0 && r.Params[i].In == "path" {
			r.Params[i].Name = names[at]
		}
	}
	return r
}

func (s *schemas) operation(r route.Route, failure route.Response) map[string]any {
	op := map[string]any{
		"operationId": r.ID,
		"summary":     r.Summary,
		"responses":   s.responses(r, failure),
	}
	if r.Tag != "" {
		op["tags"] = []string{r.Tag}
	}
	if params := s.parameters(r); len(params) > 0 {
		op["parameters"] = params
	}
	if r.Request != nil {
		content := s.content(r.Request.Types, r.Request.Value)
		for _, t := range r.Request.RawTypes {
			content[t] = map[string]any{"schema": map[string]any{"type": "string"}}
		}
		body := map[string]any{"required": !r.Request.Optional, "content": content}
		if r.Request.Doc != "" {
			body["description"] = r.Request.Doc
		}
		op["requestBody"] = body
	}
	return op
}

// parameters are those that the table names, and strings for the path's others.
func (s *schemas) parameters(r route.Route) []any {
	var out []any
	named := map[string]bool{}
	for _, p := range r.Params {
		named[p.In+" "+p.Name] = true
		out = append(out, s.parameter(p))
	}
	for _, name := range route.PathParams(r.Path) {
		if !named["path "+name] {
			out = append(out, s.parameter(route.Param{Name: name, In: "path", Required: true}))
		}
	}
	return out
}

func (s *schemas) parameter(p route.Param) map[string]any {
	schema := map[string]any{"type": "string"}
	if p.Type != nil {
		schema = s.of(reflect.TypeOf(p.Type))
	}
	if len(p.Enum) > 0 {
		schema["enum"] = p.Enum
	}
	if p.Default != nil {
		schema["default"] = p.Default
	}
	out := map[string]any{"name": p.Name, "in": p.In, "required": p.Required, "schema": schema}
	if p.Doc != "" {
		out["description"] = p.Doc
	}
	return out
}

func (s *schemas) responses(r route.Route, failure route.Response) map[string]any {
	out := map[string]any{}
	if failure.Value != nil {
		out["default"] = map[string]any{"description": "an error", "content": s.content(failure.Types, failure.Value)}
	}
	if len(r.Produces()) > 0 {
		out["406"] = map[string]any{"description": "nothing that is produced here is accepted"}
	}
	for _, res := range r.Responses {
		response := map[string]any{"description": res.Doc}
		if res.Doc == "" {
			response["description"] = http.StatusText(res.Status)
		}
		if res.Value != nil {
			response["content"] = s.content(res.Types, res.Value)
		}
		out[strconv.Itoa(res.Status)] = response
	}
	return out
}

func (s *schemas) content(types []string, value any) map[string]any {
	if len(types) == 0 {
		types = []string{route.JSON}
	}
	out := map[string]any{}
	for _, t := range types {
		media := map[string]any{}
		if t == route.JSON || strings.HasSuffix(t, "+json") {
			media["schema"] = s.of(reflect.TypeOf(value))
		} else {
			media["schema"] = map[string]any{"type": "string"}
		}
		out[t] = media
	}
	return out
}

// Handler answers with the document of the tables, made once.
func Handler(info Info, tables ...route.Table) (http.Handler, error) {
	doc, err := Document(info, tables...)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", route.JSON)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // the client may be gone
	}), nil
}

// Package openapi holds the table of HTTP routes: one entry serves the path
// and describes it. Because the OpenAPI document is made from the same entries
// that are mounted, neither can say something the other does not.
package openapi

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// Route is one method of one path.
type Route struct {
	Method string // GET also answers HEAD
	// Path is a pattern of http.ServeMux without method: {name} is a path
	// parameter, named in Params when it is not a plain string.
	Path string
	// ID is the operation's unique name, such as listKafkaTopics.
	ID string
	// Name is the endpoint's name in allow lists, block lists and rate-limit
	// costs of the original, such as api.v3.topics.list.
	Name    string
	Tag     string
	Summary string
	Params  []Param
	// Request is the body; nil when the method takes none.
	Request *Body
	// Responses are the successes and the errors worth naming. Any error has
	// wire.Error as its body and needs no entry.
	Responses []Response
	// OwnTypes says that the handler checks media types by itself.
	OwnTypes bool
	Handler  http.Handler
}

// Param is a parameter in the query, a path or a header.
type Param struct {
	Name, In, Doc string
	Type          any // a value of the Go type; nil is string
	Required      bool
	Enum          []string
	Default       any
}

// Body is a request body: the media types it may have, and a value of the Go
// type that it is decoded into.
type Body struct {
	Types    []string
	RawTypes []string // those whose bytes are taken as they are
	Value    any
	Optional bool
	Doc      string
}

// Response is an answer: a value of the Go type that it is made from, nil for
// no body, and the media types it may have (wire.JSON when empty).
type Response struct {
	Status int
	Value  any
	Types  []string
	Doc    string
}

// Produces are the media types of the successes.
func (r *Route) Produces() []string {
	var types []string
	for _, res := range r.Responses {
		if res.Status < 300 && res.Value != nil {
			if len(res.Types) == 0 {
				types = append(types, wire.JSON)
			}
			types = append(types, res.Types...)
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

var pathParam = regexp.MustCompile(`\{([^{}.$]+)(?:\.\.\.)?\}`)

// PathParams are the names of a path's parameters, in order.
func PathParams(path string) []string {
	var names []string
	for _, m := range pathParam.FindAllStringSubmatch(path, -1) {
		names = append(names, m[1])
	}
	return names
}

// Mux is what routes are mounted on: *http.ServeMux.
type Mux interface {
	Handle(pattern string, h http.Handler)
}

// Mount serves the routes on mux under prefix ("" or such as /kafka), each
// with and without a slash at the end. Before a handler runs, the method
// (405), the Content-Type (415) and the Accept header (406) are checked, in
// this order, against the table. Routes of one path must be mounted in one
// call; they may name its parameters differently. Two routes with the same
// method and path are a programming error and panic, as in http.ServeMux. The
// request's Pattern becomes method and path of the route, for metrics.
func Mount(mux Mux, prefix string, routes ...Route) {
	methods := map[string]map[string]*Route{} // by the path without names
	var paths []string
	for _, r := range routes {
		shape := pathParam.ReplaceAllString(r.Path, "{}")
		if methods[shape] == nil {
			methods[shape] = map[string]*Route{}
			paths = append(paths, r.Path)
		}
		if methods[shape][r.Method] != nil {
			panic("openapi: two routes for " + r.Method + " " + r.Path)
		}
		methods[shape][r.Method] = &r
	}
	for _, path := range paths {
		h := dispatch(prefix, path, methods[pathParam.ReplaceAllString(path, "{}")])
		if path == "/" {
			mux.Handle(prefix+"/{$}", h)
			continue
		}
		mux.Handle(prefix+path, h)
		mux.Handle(prefix+path+"/{$}", h)
	}
}

func dispatch(prefix, path string, methods map[string]*Route) http.Handler {
	matched := PathParams(path)
	var names []string
	for m := range methods {
		names = append(names, m)
	}
	if methods[http.MethodGet] != nil && methods[http.MethodHead] == nil {
		names = append(names, http.MethodHead)
	}
	names = append(names, http.MethodOptions)
	slices.Sort(names)
	allow := strings.Join(names, ",")
	patterns := make(map[string]string, len(methods))
	for m, route := range methods {
		patterns[m] = m + " " + prefix + route.Path
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead && methods[method] == nil {
			method = http.MethodGet
		}
		route := methods[method]
		if route != nil {
			r.Pattern = patterns[method]
		}
		r = wire.WithPrefix(r, prefix)
		switch {
		case route != nil:
			if route.Path != path {
				rename(r, matched, PathParams(route.Path))
			}
			route.ServeHTTP(w, r)
		case method == http.MethodOptions:
			w.Header().Set("Allow", allow)
			w.WriteHeader(http.StatusOK)
		default:
			w.Header().Set("Allow", allow)
			wire.WriteError(w, r, wire.MethodNotAllowed())
		}
	})
}

// rename gives the values of the matched path the names that the route uses.
func rename(r *http.Request, matched, names []string) {
	values := make([]string, len(matched))
	for i, name := range matched {
		values[i] = r.PathValue(name)
	}
	for i, name := range names {
		r.SetPathValue(name, values[i])
	}
}

// ServeHTTP checks the request's media types against the table and lets the
// handler answer.
func (r *Route) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.OwnTypes {
		r.Handler.ServeHTTP(w, req)
		return
	}
	if r.Request != nil && len(r.Request.Types) > 0 {
		given, _, ok := wire.ContentType(req)
		if !ok || given != "" && !slices.Contains(r.Request.Types, given) {
			wire.WriteError(w, req, wire.UnsupportedMediaType())
			return
		}
	}
	if types := r.Produces(); len(types) > 0 {
		if _, ok := wire.Accepts(req, types...); !ok {
			wire.WriteError(w, req, wire.NotAcceptable())
			return
		}
	}
	r.Handler.ServeHTTP(w, req)
}

// NotFoundHandler answers every path that no route has.
func NotFoundHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wire.WriteError(w, r, wire.NotFound())
	})
}

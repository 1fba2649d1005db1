package route

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Options of Handler. The zero value does.
type Options struct {
	// NotFound answers a path that no table has; nil leaves it to net/http.
	NotFound Refuse
	// Around is put around every path, inside the match, so that it can refuse
	// in the shape of the door whose path it is. Nil puts nothing there.
	Around func(next http.Handler, refuse Refuse) http.Handler
}

// Handler serves the tables, each route with and without a slash at the end.
// Before a handler runs, the method (405), the Content-Type (415) and the
// Accept header (406) are checked, in this order, against the table. The
// request's Pattern becomes method and path of the route, for metrics; it is ""
// where no table has the path. Routes of one path may be spread over tables of
// one prefix no more than http.ServeMux allows: two that claim the same are an
// error, as paths may come from configuration.
func Handler(tables []Table, opts Options) (http.Handler, error) {
	mux := http.NewServeMux()
	around := opts.Around
	if around == nil {
		around = func(next http.Handler, _ Refuse) http.Handler { return next }
	}
	for _, t := range tables {
		prefixes := t.Prefixes
		if len(prefixes) == 0 {
			prefixes = []string{""}
		}
		for _, prefix := range prefixes {
			if err := t.mount(mux, prefix, around); err != nil {
				return nil, err
			}
		}
	}
	if opts.NotFound == nil {
		return mux, nil
	}
	unmatched := around(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = ""
		opts.NotFound(w, r, http.StatusNotFound, "")
	}), opts.NotFound)
	// A table that serves every path leaves nothing unmatched.
	_ = handle(mux, "/", unmatched)
	return mux, nil
}

func (t *Table) mount(mux *http.ServeMux, prefix string, around func(http.Handler, Refuse) http.Handler) error {
	methods := map[string]map[string]*Route{} // by shape
	var paths []string
	for i := range t.Routes {
		r := &t.Routes[i]
		shape := Shape(r.Path)
		if methods[shape] == nil {
			methods[shape] = map[string]*Route{}
			paths = append(paths, r.Path)
		}
		if methods[shape][r.Method] != nil {
			return fmt.Errorf("serve %s %s%s: it is there twice", r.Method, prefix, r.Path)
		}
		methods[shape][r.Method] = r
	}
	for _, path := range paths {
		h := around(t.dispatch(prefix, path, methods[Shape(path)]), t.Refuse)
		for _, pattern := range patterns(prefix + path) {
			if err := handle(mux, pattern, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// patterns are those of a path with and without a slash at its end.
func patterns(path string) []string {
	switch {
	case strings.HasSuffix(path, "/"):
		return []string{path + "{$}"}
	case strings.HasSuffix(path, "...}"):
		return []string{path}
	default:
		return []string{path, path + "/{$}"}
	}
}

// handle is mux.Handle with an error for a pattern that is wrong or taken.
func handle(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if why := recover(); why != nil {
			text, _, _ := strings.Cut(fmt.Sprint(why), "\n")
			err = fmt.Errorf("serve %s: %s", pattern, text)
		}
	}()
	mux.Handle(pattern, h)
	return nil
}

func (t *Table) dispatch(prefix, path string, methods map[string]*Route) http.Handler {
	refuse, matched := t.Refuse, PathParams(path)
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
		r = WithPrefix(r, prefix)
		switch {
		case route != nil:
			if route.Path != path {
				rename(r, matched, PathParams(route.Path))
			}
			route.serve(w, r, refuse)
		case method == http.MethodOptions:
			w.Header().Set("Allow", allow)
			w.WriteHeader(http.StatusOK)
		default:
			w.Header().Set("Allow", allow)
			refuse(w, r, http.StatusMethodNotAllowed, "")
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

// serve checks the request's media types against the table and lets the
// handler answer.
func (r *Route) serve(w http.ResponseWriter, req *http.Request, refuse Refuse) {
	if r.OwnTypes {
		r.Handler.ServeHTTP(w, req)
		return
	}
	if r.Request != nil && len(r.Request.Types) > 0 {
		given, _, ok := ContentType(req)
		if !ok || given != "" && !slices.Contains(r.Request.Types, given) {
			refuse(w, req, http.StatusUnsupportedMediaType, NotTaken(r.Request.Types))
			return
		}
	}
	if types := r.Produces(); len(types) > 0 {
		if _, ok := Accepts(req, types...); !ok {
			refuse(w, req, http.StatusNotAcceptable, NotProduced(types))
			return
		}
	}
	r.Handler.ServeHTTP(w, req)
}

type prefixKey struct{}

// WithPrefix notes that the request came below a prefix, as Handler does.
func WithPrefix(r *http.Request, prefix string) *http.Request {
	if prefix == "" {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), prefixKey{}, prefix))
}

// Prefix is the one of the table's prefixes that the request came through, for
// links.
func Prefix(r *http.Request) string {
	prefix, _ := r.Context().Value(prefixKey{}).(string)
	return prefix
}

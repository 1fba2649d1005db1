package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/auth/httpclient"
	"github.com/headrace/headrace/auth/tlsstore"
)

// service walks one address of a Schema Registry.
func (w *walk) service() {
	s := w.target.HTTP
	address := w.found.Address
	var client *httpclient.Client
	w.step("settings", func(context.Context) outcome {
		faults := s.Validate()
		if len(faults) == 0 {
			faults = s.CheckFiles()
		}
		if len(faults) > 0 {
			return failed(errors.New(faults[0].Path+": "+faults[0].Message), adviceIn(faults[0].Message, "correct "+faults[0].Path))
		}
		var err error
		if client, err = httpclient.New(w.target.Name, *s, w.options.Log); err != nil {
			return failed(err, "correct the settings")
		}
		return ok(s.Describe())
	})
	if client == nil {
		client = &httpclient.Client{} // not used: every step behind is skipped
	} else {
		defer func() { _ = client.Close() }()
	}
	u, err := url.Parse(address)
	if err != nil {
		u = &url.URL{}
	}
	w.reach(u, s)
	o := &s.OAuth
	if o.TokenURL == "" {
		o = nil
	}
	w.tokenSteps(o, func(ctx context.Context) (auth.Token, bool, error) { return client.Token(ctx) })
	w.step("request", func(ctx context.Context) outcome { return request(ctx, client, address) })
}

func (w *walk) reach(u *url.URL, s *httpclient.Settings) {
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy != nil {
		w.step("tcp", func(context.Context) outcome { return skipped("goes through the proxy " + proxy.Redacted()) })
		return
	}
	hostport := addPort(u)
	w.name("name", hostport, httpKeys)
	conn := w.tcp("tcp", hostport, httpKeys)
	if conn != nil {
		defer func() { _ = conn.Close() }()
	}
	w.step("tls", func(ctx context.Context) outcome {
		if u.Scheme != "https" {
			return skipped("the url is http://")
		}
		stores := s.TLS.Client()
		if s.TLS == nil {
			stores = tlsstore.NewClient(nil, nil, true)
		}
		_, out := shake(ctx, conn, stores, hostport, httpKeys)
		return out
	})
}

// request asks for the subjects, which every Schema Registry lists at this
// path.
func request(ctx context.Context, client *httpclient.Client, address string) outcome {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/subjects", nil)
	if err != nil {
		return failed(err, "correct url")
	}
	req.Header.Set("Accept", "application/vnd.schemaregistry.v1+json, application/json")
	resp, err := client.Do(req)
	if err != nil {
		return failed(err, adviceIn(err.Error(), "check url and ssl_config"))
	}
	defer func() { _ = resp.Body.Close() }()
	n, _ := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	status := fmt.Errorf("GET /subjects: HTTP %d", resp.StatusCode)
	switch resp.StatusCode {
	case http.StatusOK:
		return ok(fmt.Sprintf("GET /subjects: HTTP 200, %d bytes", n))
	case http.StatusUnauthorized:
		return failed(status, "the registry does not accept who we are: correct username and password, the token or its oauth_ keys (audience), or the client certificate")
	case http.StatusForbidden:
		return failed(status, "allow this identity to read subjects in the registry")
	case http.StatusNotFound:
		return failed(status, "this is not the root of a Schema Registry: correct url (some have a path, such as /apis/ccompat/v7)")
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return failed(status, "the registry is in trouble: look into its log")
	}
	return failed(status, "check that url is that of a Schema Registry")
}

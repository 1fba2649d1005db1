package services

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	keycloakStartLimit = 240 * time.Second
	keycloakRealm      = "exporter"
)

// KeycloakServer is a Keycloak with one realm: confidential clients exporter,
// gateway and shortlived (audience kafka), app (audience gateway, password
// grant), noaccess (a good token, no rights) and wrongaud (no audience). The
// secret of each, and the password of the users alice and bob, is Secret of
// its name. Tokens live five minutes, those of shortlived 60 seconds.
type KeycloakServer struct {
	Issuer      string
	TokenURL    string
	TokenURLTLS string // the same endpoint over TLS, with the certificate of Certs.Server
	JWKSURL     string
	Certs       *Certs

	base string
	dir  string
	proc *process
}

// Secret is the password or client secret of the name, everywhere here.
func Secret(name string) string { return name + "-secret" }

// Pause freezes Keycloak: token requests hang.
func (k *KeycloakServer) Pause() error { return k.proc.signal(syscall.SIGSTOP) }

// Resume lets a paused Keycloak go on.
func (k *KeycloakServer) Resume() error { return k.proc.signal(syscall.SIGCONT) }

func (k *KeycloakServer) stop() {
	if k.proc != nil {
		k.proc.kill() // it keeps nothing
	}
	os.RemoveAll(k.dir)
}

func startKeycloak(ctx context.Context, orphan bool) (*KeycloakServer, func(), error) {
	k, err := retryPorts(func() (*KeycloakServer, error) { return startKeycloakOnce(ctx, orphan) })
	if err != nil {
		return nil, nil, err
	}
	return k, k.stop, nil
}

func startKeycloakOnce(ctx context.Context, orphan bool) (_ *KeycloakServer, err error) {
	java, err := findJava(21)
	if err != nil {
		return nil, err
	}
	cached, err := InstallKeycloak()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	k := &KeycloakServer{base: "http://" + loopback(ports[0])}
	if k.dir, err = os.MkdirTemp("", "headrace-keycloak-"); err != nil {
		return nil, fmt.Errorf("start keycloak: %w", err)
	}
	defer func() {
		if err != nil {
			k.stop()
		}
	}()
	if k.Certs, err = MakeCerts(k.dir); err != nil {
		return nil, err
	}
	home, err := keycloakHome(filepath.Join(cached, "keycloak-"+KeycloakVersion), k.dir)
	if err != nil {
		return nil, fmt.Errorf("start keycloak: %w", err)
	}
	k.Issuer = k.base + "/realms/" + keycloakRealm
	k.TokenURL = k.Issuer + "/protocol/openid-connect/token"
	k.TokenURLTLS = strings.Replace(k.TokenURL, k.base, "https://"+loopback(ports[1]), 1)
	k.JWKSURL = k.Issuer + "/protocol/openid-connect/certs"
	k.proc, err = launch(spec{
		name: "keycloak", dir: k.dir, orphan: orphan, path: "/bin/sh",
		env: []string{
			"JAVA_HOME=" + java, "JAVA_OPTS_KC_HEAP=-Xms64m -Xmx512m",
			"KC_BOOTSTRAP_ADMIN_USERNAME=admin", "KC_BOOTSTRAP_ADMIN_PASSWORD=" + Secret("admin"),
		},
		args: []string{filepath.Join(home, "bin", "kc.sh"), "start", "--optimized", "--import-realm", "--cache=local",
			"--http-enabled=true", "--http-host=127.0.0.1", "--http-port=" + strconv.Itoa(ports[0]),
			"--https-port=" + strconv.Itoa(ports[1]), "--https-certificate-file=" + k.Certs.Server.Cert,
			"--https-certificate-key-file=" + k.Certs.Server.Key,
			"--hostname=" + k.base, "--hostname-strict=false", "--http-management-port=" + strconv.Itoa(ports[2])},
	})
	if err != nil {
		return nil, err
	}
	return k, k.proc.await(ctx, keycloakStartLimit, func() error { return answers(k.Issuer + "/.well-known/openid-configuration") })
}

// keycloakHome makes a home of its own beside the shared jars: Keycloak writes
// into its home, and test processes run at the same time.
func keycloakHome(dist, dir string) (string, error) {
	home := filepath.Join(dir, "home")
	imports := filepath.Join(home, "data", "import")
	if err := os.MkdirAll(imports, 0o755); err != nil {
		return "", err
	}
	for _, shared := range []string{"lib", "conf", "providers", "themes"} {
		if err := os.Symlink(filepath.Join(dist, shared), filepath.Join(home, shared)); err != nil {
			return "", err
		}
	}
	// kc.sh finds its home by the folder above its own: bin has to be real
	if err := os.CopyFS(filepath.Join(home, "bin"), os.DirFS(filepath.Join(dist, "bin"))); err != nil {
		return "", err
	}
	realm, err := conf.ReadFile("conf/realm.json")
	if err != nil {
		return "", err
	}
	return home, os.WriteFile(filepath.Join(imports, "realm.json"), realm, 0o644)
}

// SetTokenLife changes how long the access tokens of a client live.
func (k *KeycloakServer) SetTokenLife(ctx context.Context, client string, life time.Duration) error {
	admin, err := k.admin(ctx)
	if err != nil {
		return fmt.Errorf("set the token life of %s: %w", client, err)
	}
	clients := k.clients()
	var found []map[string]any
	if err := call(ctx, "GET", clients+"?clientId="+url.QueryEscape(client), admin, nil, &found); err != nil {
		return fmt.Errorf("set the token life of %s: %w", client, err)
	}
	if len(found) != 1 {
		return fmt.Errorf("set the token life of %s: %d such clients", client, len(found))
	}
	attrs, _ := found[0]["attributes"].(map[string]any)
	if attrs == nil {
		attrs = map[string]any{}
	}
	attrs["access.token.lifespan"] = strconv.Itoa(int(life.Seconds()))
	found[0]["attributes"] = attrs
	if err := call(ctx, "PUT", clients+"/"+fmt.Sprint(found[0]["id"]), admin, found[0], nil); err != nil {
		return fmt.Errorf("set the token life of %s: %w", client, err)
	}
	return nil
}

// AddClient adds a client for client_credentials whose tokens are for audience.
// proof are the rest of Keycloak's representation of a client: how it proves
// itself, and its attributes.
func (k *KeycloakServer) AddClient(ctx context.Context, id, audience string, proof map[string]any) error {
	admin, err := k.admin(ctx)
	if err != nil {
		return fmt.Errorf("add the client %s: %w", id, err)
	}
	client := map[string]any{"clientId": id, "enabled": true, "protocol": "openid-connect", "publicClient": false,
		"serviceAccountsEnabled": true, "standardFlowEnabled": false,
		"protocolMappers": []any{map[string]any{"name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
			"config": map[string]string{"included.custom.audience": audience, "access.token.claim": "true"}}}}
	maps.Copy(client, proof)
	if err := call(ctx, "POST", k.clients(), admin, client, nil); err != nil {
		return fmt.Errorf("add the client %s: %w", id, err)
	}
	return nil
}

func (k *KeycloakServer) admin(ctx context.Context) (token string, err error) {
	return k.token(ctx, "/realms/master/protocol/openid-connect/token", url.Values{
		"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {"admin"}, "password": {Secret("admin")}})
}

func (k *KeycloakServer) clients() string {
	return k.base + "/admin/realms/" + keycloakRealm + "/clients"
}

// Token returns a new access token of the client.
func (k *KeycloakServer) Token(ctx context.Context, client string) (string, error) {
	return k.token(ctx, "/realms/"+keycloakRealm+"/protocol/openid-connect/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {Secret(client)}})
}

func (k *KeycloakServer) token(ctx context.Context, path string, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, "POST", k.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var got struct {
		AccessToken string `json:"access_token"`
	}
	return got.AccessToken, do(req, &got)
}

func call(ctx context.Context, method, target, token string, body, into any) error {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, r)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	return do(req, into)
}

func do(req *http.Request, into any) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s", req.Method, req.URL.Path, resp.Status)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(b, into)
}

// answers gives nil when a GET of the address is answered with a 2xx.
func answers(target string) error {
	c := http.Client{Timeout: 2 * time.Second}
	resp, err := c.Get(target)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("GET %s: %s", target, resp.Status)
	}
	return nil
}

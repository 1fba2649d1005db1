package embedded

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const (
	audienceMapper  = "oidc-audience-mapper"
	hardcodedMapper = "oidc-hardcoded-claim-mapper"
	realmRoleMapper = "oidc-usermodel-realm-role-mapper"
)

// scopes returns the client scopes of a token, and the asked ones that the
// client may not have.
func (r *Realm) scopes(c *Client, asked []string) (granted, unknown []string) {
	granted = slices.Clone(c.DefaultScopes)
	if c.DefaultScopes == nil {
		granted = slices.Clone(r.DefaultScopes)
	}
	if granted == nil && r.ClientScopes == nil {
		granted = []string{"profile", "email"} // Keycloak's own, which an export may leave out
	}
	optional := c.OptionalScopes
	if optional == nil {
		optional = r.OptionalScopes
	}
	for _, s := range asked {
		switch {
		case slices.Contains(granted, s):
		case s == "openid" || slices.Contains(optional, s):
			granted = append(granted, s)
		default:
			unknown = append(unknown, s)
		}
	}
	return granted, unknown
}

// claims returns the claims that depend on the client, the user and the scopes.
func (r *Realm) claims(c *Client, u *User, scopes []string) map[string]any {
	claims := map[string]any{
		"sub": u.subject(r.Name), "typ": "Bearer", "azp": c.ID, "acr": "1",
		"preferred_username": u.Name,
	}
	if u.Email != "" && slices.Contains(scopes, "email") {
		claims["email"], claims["email_verified"] = u.Email, true
	}
	if len(u.RealmRoles) > 0 {
		claims["realm_access"] = map[string]any{"roles": u.RealmRoles}
	}
	if len(u.ClientRoles) > 0 {
		access := make(map[string]any)
		for client, roles := range u.ClientRoles {
			access[client] = map[string]any{"roles": roles}
		}
		claims["resource_access"] = access
	}
	var visible []string
	mappers := slices.Clone(c.Mappers)
	for _, s := range scopes {
		scope := slices.IndexFunc(r.ClientScopes, func(known Scope) bool { return known.Name == s })
		if scope >= 0 {
			mappers = append(mappers, r.ClientScopes[scope].Mappers...)
		}
		if scope < 0 || r.ClientScopes[scope].Attributes["include.in.token.scope"] != "false" {
			visible = append(visible, s)
		}
	}
	claims["scope"] = strings.Join(visible, " ")
	var audience []string
	for _, m := range mappers {
		audience = m.apply(claims, u, audience)
	}
	setAudience(claims, audience)
	return claims
}

// setAudience writes one audience as a text and more as a list, as Keycloak does.
func setAudience(claims map[string]any, audience []string) {
	switch len(audience) {
	case 0:
		delete(claims, "aud")
	case 1:
		claims["aud"] = audience[0]
	default:
		claims["aud"] = audience
	}
}

func audienceOf(claims map[string]any) []string {
	switch aud := claims["aud"].(type) {
	case string:
		return []string{aud}
	case []string:
		return aud
	default:
		return nil
	}
}

func (m Mapper) apply(claims map[string]any, u *User, audience []string) []string {
	if m.Config["access.token.claim"] == "false" {
		return audience
	}
	switch m.Kind {
	case audienceMapper:
		for _, name := range []string{m.Config["included.client.audience"], m.Config["included.custom.audience"]} {
			if name != "" && !slices.Contains(audience, name) {
				audience = append(audience, name)
			}
		}
	case hardcodedMapper:
		setClaim(claims, m.Config["claim.name"], hardcoded(m.Config["claim.value"], m.Config["jsonType.label"]))
	case realmRoleMapper:
		roles := []string{}
		for _, role := range u.RealmRoles {
			roles = append(roles, m.Config["usermodel.realmRoleMapping.rolePrefix"]+role)
		}
		setClaim(claims, m.Config["claim.name"], roles)
	}
	return audience
}

func hardcoded(text, kind string) any {
	var v any
	if kind != "" && kind != "String" && json.Unmarshal([]byte(text), &v) == nil {
		return v
	}
	return text
}

// setClaim sets a claim whose name may be a path with dots.
func setClaim(claims map[string]any, name string, v any) {
	for {
		head, rest, nested := strings.Cut(name, ".")
		if name == "" {
			return
		}
		if !nested {
			claims[name] = v
			return
		}
		inner, ok := claims[head].(map[string]any)
		if !ok {
			inner = make(map[string]any)
			claims[head] = inner
		}
		claims, name = inner, rest
	}
}

// subject is the user's id, or one made from the name that stays the same.
func (u *User) subject(realm string) string {
	if u.ID != "" {
		return u.ID
	}
	h := sha256.Sum256([]byte(realm + "/" + u.Name))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

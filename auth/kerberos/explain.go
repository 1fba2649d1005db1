package kerberos

import "strings"

// Explain says what an error of the Kerberos library means and what to do, which
// it gives as text alone (the codes are those of RFC 4120, 7.5.9). It is "" for an
// error of another kind.
func Explain(err error) string {
	text := strings.ToLower(err.Error())
	for _, known := range advice {
		for _, sign := range known.signs {
			if strings.Contains(text, strings.ToLower(sign)) {
				return known.say
			}
		}
	}
	return ""
}

// advice is looked through in order: the more telling signs come first.
var advice = []struct {
	signs []string
	say   string
}{
	{[]string{"KDC_ERR_S_PRINCIPAL_UNKNOWN", "SERVER_NOT_FOUND"}, "the KDC does not know the broker's principal; check kerberos_service_name, kerberos_host and the name that the broker is reached by"},
	{[]string{"KDC_ERR_C_PRINCIPAL_UNKNOWN", "CLIENT_NOT_FOUND", "not found in kerberos database"}, "the KDC does not know this principal; correct username and the realm"},
	{[]string{"KDC_ERR_CLIENT_REVOKED"}, "the KDC has locked or ended this principal; have it unlocked"},
	{[]string{"KDC_ERR_KEY_EXPIRED"}, "the password or key of this principal has expired; change it, and export the keytab anew"},
	{[]string{"KDC_ERR_ETYPE_NOSUPP"}, "the KDC and we have no encryption type in common; compare default_tkt_enctypes and permitted_enctypes of krb5.conf with the types of the principal's keys"},
	{[]string{"KDC_ERR_PREAUTH_FAILED", "Decrypting_Error", "integrity verification failed", "password/keytab incorrect"}, "the key does not fit the principal; export the keytab anew, or correct the password"},
	{[]string{"matching key not found in keytab"}, "the keytab has no key that the KDC asks for; export it anew, and list it with klist -ke"},
	{[]string{"KRB_AP_ERR_SKEW", "clock skew"}, "the clocks differ by more than five minutes; set that of this machine"},
	{[]string{"KDC_ERR_WRONG_REALM"}, "the KDC serves another realm; correct the realm in username or kerberos_realm"},
	{[]string{"no KDC SRV records", "no KDCs defined", "no KDC"}, "no KDC of the realm is known; add the realm with its kdc to krb5.conf"},
	{[]string{"TGT not found in CCache", "no valid existing session", "TGT expired", "KRB_AP_ERR_TKT_EXPIRED"}, "the ticket in the cache has ended, or is of another realm; run kinit again"},
	{[]string{"Networking_Error", "communication error with KDC", "error sending to a KDC", "failed to communicate with KDC"}, "the KDC cannot be reached; check kdc of the realm in krb5.conf, and its port (88)"},
	{[]string{"KDC_ERR", "KRB Error", "KDC_Error"}, "the KDC refused; look into its log, and check the keys of sasl_config that begin with kerberos_"},
	{[]string{"Root cause:", "krberror", "Encoding_Error", "KRBMessage_Handling_Error", "Configuration_Error"}, "the exchange with the KDC failed; check the keys of sasl_config that begin with kerberos_, and krb5.conf"},
}

package conformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

func TestClientSpeaksTLSAndOnlyThat(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			s := New(t, Spec{Version: version})
			roots := selfSigned(t, s)
			secure := net.JoinHostPort(s.Host, strconv.Itoa(s.Port+1))
			s.Spec.Config = []string{
				fmt.Sprintf("tls-port %d", s.Port+1), "tls-auth-clients no",
				"tls-cert-file " + filepath.Join(s.Dir, "cert.pem"), "tls-key-file " + filepath.Join(s.Dir, "key.pem"),
				"tls-ca-cert-file " + filepath.Join(s.Dir, "cert.pem"),
			}
			s.Start()
			dialer := valkey.Dialer{Username: OperatorUser, Password: Password, TLS: &tls.Config{RootCAs: roots}}
			node, err := dialer.Dial(ctx, secure)
			if err != nil {
				t.Fatal(err)
			}
			defer node.Close()
			if _, err := node.Info(ctx); err != nil {
				t.Error(err)
			}
			if err := node.GetAck(ctx, 3); err != nil {
				t.Error(err)
			}
			if plain, err := dialer.Dial(ctx, s.Addr()); err == nil {
				plain.Close()
				t.Error("with TLS asked for, a server without it is spoken to")
			}
			dialer.TLS = &tls.Config{}
			var unknown x509.UnknownAuthorityError
			if _, err := dialer.Dial(ctx, secure); !errors.As(err, &unknown) {
				t.Errorf("an unknown authority: %v", err)
			}
		})
	}
}

// selfSigned writes a certificate for the server's address into its folder.
func selfSigned(t *testing.T, s *Server) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(s.Host)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	must(t, os.WriteFile(filepath.Join(s.Dir, "cert.pem"), cert, 0o600))
	must(t, os.WriteFile(filepath.Join(s.Dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

"""Keys of Infineon's endorsement CAs: subject common name and DER SubjectPublicKeyInfo in Base64.

Facts about public certificates of the maker, read 2026-11-20; attestation.anchors_tpm says what is made of them.
"""

from typing import Final

INFINEON_PAGE: Final = "http://pki.infineon.com/ (named in its certificates)"
INFINEON: Final[dict[str, str]] = {
    "IFX TPM EK Intermediate CA 01": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAt+0+Fg23isT4mdT9c48gJs4Eu9+jqIDue6rvN/gPOwBYF2xkR0UlB9orffWKEbci"
        "lCeVDaJi0OKbbz3brl/Qng6Q8Wkp4VTbsKx+jNVo1SbpRH+7PADydzEVzeJktExE0uu78CVUbTndQtUNAxXHaLDBsFIBg72kaIZuTWIya5lp"
        "ISsx1v2/QpFTJkzvIAGLIOUzdzNRBfm8tZXS5arF0agfA29rm7fKc/1TE9NlYdk4cTr7XiszOmhuzpbDZFHwGAX3quHitEBkSXwFeHCJCrhJ"
        "O9ReR+92lYfiXOwZwMO2sHo23cq9U2+wrP5vTsOT5fO34Qc1N/cHKTYeW9f6xwIDAQAB"
    ),
    "IFX TPM EK Intermediate CA 15": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApLqmByA5BZKjNVsyR1/2NmSkZ1PhTvfnOzSyR+mOgorYKCksw7/6gYps5ub8NA9F"
        "A7+jG+qMk0ErPnlAGAp34yhDq37YnyZxD3U1/CqebULiv5zjN7MnVS2T8ohg2qkUMDN58ED+UrwjFDqSbPFwgUTiyRoWxKCR5qtJkYbqwD0D"
        "nXLHC+zzJStAXnUgIRQzvANvhwzne61oV2bqnqb1RkZKaat1OJ6Y6S67C2XwhRBd+6T2UXJCwAIFMz3keu2zQjMjqFdB5PBIvgmrISco/29u"
        "1Ph5fNY3JypJgF/T5Sj8cdmj1a5UNRoDgj3NyYPSoK9I5PQ0CPiJ8ntI8YidTQIDAQAB"
    ),
    "IFX TPM EK Intermediate CA 02": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAroqc/lHymmr1O0+7eYCzcAXF1aHMrmSz4GLEZHqanPJcbrgGOXjHMFd4EhW2UFld"
        "i8gAnmx4JMQSydlz14o0l4Ut2ZdD+yJGtN6ifLGhLhovWZURB5stTPaA30nqPV7CXL468aSMRii4YLMD58BHMt5EiuG6EEjSRQKFsftUzwWe"
        "AmxtPjEoHcQnpa22ZrblVKKaQCtI9Lp3NQNFLU4UJa0C0clbpiMGcDjCBHxZ+leyeN42nAQQH4lyJa7VUC54s0j4qKxGJ96sJ+yBZG8eRHpF"
        "B/TiH4WWGdgcmd/WS2pwSLWhgCMuxtg4DCrKhTU96/1xLbwQDoVMlzGO4eEf0QIDAQAB"
    ),
    "IFX TPM EK Intermediate CA 03": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAlZ08C4fP+nW0jAHVBeU8P8+N51ni4Fl3A8fm0jdS97RPNtH+Y7lyXH+Whafudnlw"
        "eQfWeEFHrskQVjRr0aK2E98hOHRdHE9yKwsET9Kipn3QocVpL43pLA6l0I/QaVSDU56woIXv1np9euRNmxWk+p1rB1kr6hSwM73P1TrGpXtv"
        "CxLvlj5CIeybpROACRI1Ce4Uw/c2pDIOL8FpZphEZDorykztjt7WHbXP/7lfsudxldTyGClim7bNA+D3oiRhuhVQovjTSydo9w699qCwFQaU"
        "GW01/PuB5pK5ZMJ3ASLCWQJhmoK1uQCPkWJK1qOvM/vYF9PZ+yEi/7l4XtCnkQIDAQAB"
    ),
    "IFX TPM EK Intermediate CA 04": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3dQGYOSMnPMn5YKCuri0gu0T0ok8wYfC8Kxsk6Wjt4eIRvwlDMYrWmuQ9Dd2jAVF"
        "c+eo409ZRrfr8ndHfbGC+5keoB2WJkK3whRv2piEN6e5ejVJKonwtanfRAgnS+eRpDZMKQ5u95llHeErY5kpFOQVpX+LLZEf5CzgkB7d2IPy"
        "aUi7aBcBecolKSvNbqBszOuVM6JEK4Zxq2nLsd+ah1vP/ROtu7C1zd3IlncqjXP1vPY6KuOH3dGuZiNu0vQeGQCMw5HzcYuvPBR11KqbG1dd"
        "fyPmL7+CYTcA7vWzA4gRJ0a6DFopTMnWNOpYoxlzHQToEUiUMh8qTR8mVLEd8QIDAQAB"
    ),
    "IFX TPM EK Intermediate CA 05": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvv3MwI5uOSDuAJYS7IY7j0KKwX9CsajP1p1bUUG5JbxT0g6W9Zc2y+hqwLWaGux+"
        "RFGiO5SZaJ/HHFxV84j2/VJtF8n6LqUbbUhxV7rLAsl0OWJP7e/O+tv/aFT9eMIIwNZv8/BpmyVXmIvhASIrG9EiJYxgdbQySQvubNEENU39"
        "XPdmIvkumrtrCIq5f05elLZrXB+pIYCWbZPGNTzzir0rLzkkm6CfRD8Ld1zxpoU8oseVGzqsi83WXQvAHVvkRY/NM8l30SFE8Uk4BslLrqdK"
        "BfToWXt5YHvWjDrD/bmi0tAJunLo6sXzAFUy08weoVvVzfY9po3OkIGchTu9owIDAQAB"
    ),
    "IFX TPM EK Intermediate CA 08": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA4logm7qv9t62syBYn8lnmPzK2gAD1FarRzDv5bR7kvaQMskwzbzzBhP6IRt/DHqx"
        "ZIsCXuqiRdgO1MH0wU2FDllYUuyUVdtiKC1cnHAA1xJ08hJMXULOfosuLV+7UQd13AJcULzFpfSIaBD2lmSW8DLaKMr0E8eq5aKyKwSJZk1F"
        "P10JXKXM5Hf6nZg4LdmtGaDsGP4OQLt2W1NM7p09H4s04V7TWkmWll0Xhgdy7gQLXSBG7Sq5nPUu0NlYUp7MruuDlGMtIAlso6wZeOXqFBcy"
        "0AMRf1WXPW8i0PbU5gI1Gy7pV2KmIvRuXRoCKjgFXcYzKOTSAedDAKT2T9g9TwIDAQAB"
    ),
    "Infineon OPTIGA(TM) ECC Manufacturing CA 034": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAELEOSkTcpnmdVWp+UfC8XpkEujQrVpQuOkUdaxJx4YVILBxH6euHqAZSo9NMfvNHTa5QLOm1m"
        "3DQJLaxWVf9Jxw=="
    ),
    "Infineon OPTIGA(TM) TPM 2.0 ECC CA 042": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfLrKrcXdMK8FdjrcAYnMfFF/jkaKmPsL5b2acDLPcsAQxMhUG1Lhdy8dHqhAG3tFG+unAt5M"
        "mODU2CDQXjMc8Q=="
    ),
    "Infineon OPTIGA(TM) RSA Manufacturing CA 034": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyLdb1TmP6fhElRQMq5voDKwFKZhacbR18Gp3E01K9s4YcsdWnwcYHhtv7Q/LHkpI"
        "3WamRVOTTKVO5IZVJ/Pf/Inm71xz2flFeorQGgyu/mzlIJ8JwQv8zZZXX9VsFK65FdLRDQbwWFceXMMld+bP7g/f3tN26EaEVOkpWGHURRGS"
        "6h6BoVtysgnVJOSHqUmUnuGR93Hrb7HAZAqk6pIM7cS4eDwXfHwCRoymc5OFnHzC1hqh8oFd2lHpMMxrg0CVm63i4LsuDUXCA/Cb9rZhzhBa"
        "+WLr8tYnFMFTWZoyqGQk3ld1si8mrt4EvcuRclhJxsyQQB0F1Fj6iWuvRYj47wIDAQAB"
    ),
    "Infineon OPTIGA(TM) TPM 2.0 RSA CA 042": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAhVR4phGdW7ZtkLAop3nMfeg5jPvcndk+gy+Kr3TLnWZxycKLJ0DBHmT65Ks0GMhR"
        "RWlBzXUrTTkdtTjaUDTZccGVyEdUB3Wsc9SnnlC+xyyH85TQxNXsJvssudIyb2EPsrlvB02OdLEPqBrKgHAA5rmnbcUG6oKJQ83NQP7Wu2uR"
        "jIUPe3xaacNt/F5RaHnBbMhXQ8ZXuwo86i/4hcR9cUX59YDCwZdM+Ln5yJtEvCjLzxGT/69EtXGDR5k6fEfwH6pykQg+Zd/Ft0apShjzaJxP"
        "U2PUSMKOTIxMDEflD7w9UMcOPJEs2D7ppi0xdhNfQPozGGhs5WNguBkCdA+WRwIDAQAB"
    ),
    "IFX TPM EK Intermediate CA 17": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsPPMbwLowEhlARAnMQaWRKgV9jHtQWdsBc4/fl5eQN+zv22ZeH8qm+j4uANcA9XC"
        "ImBymFIw1M6EB6zWQD9y4aTb8GlQTlb6jAgHpwRSbqweN5rlWetLutnbTmUrOxTlOEl6XndovOC/+vgAxh8fImJ3XFJuF5Civs+aBypY9qDz"
        "BCtSef6ZV7ytw8lyVCi2axXVJj8AxSisR3Ft5pOBmQ/yO8KPLDO3LYm1+O7vkFO2DSMEMQgdZW6o7BbHzv2e9akGGjySE5TUU9msdzl9WbTD"
        "uvJYJm9lVZRpwwB5h9WoM44Q/FTNkwMDw3AH1uHmxj82vPuh5JSvs+zZokB/+QIDAQAB"
    ),
    "IFX TPM EK Intermediate CA 18": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA2zf5epNL++zh5Hyq7JciA8WLEGDvlxZtKOXvJcfKW1rywuuaiDnG0x22O1RkgTqS"
        "jfg9DStvacue+IfOYqxUZwSBWoHkNhHinX9Zy5Bdj485pZ5acdRUjzASu+N+4IGSSh8vmUTAP4drOdNET1kwWmZEYZsLmhWwZJ3U4Z5+N5og"
        "rcMxkVCV7lhCBsWHkJxxDydM4cpw+pyAQj+dwBkx5wYxkWZe+DGfbi1D48K624G+ZjUFi3vpRLkycqv2sqlwG2bKBFjFMxaYQROveVOUSW8T"
        "MO4yaP5yOtvB4xmV1LWvdV/6EIasOJ1xCJ27cFjm/5mJ9QsNvR6RAGjY1UVRNwIDAQAB"
    ),
    "IFX TPM EK Intermediate CA 20": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAhJq2/X8LpT35tGgacUhEk/30RPJF0FplluMzOiYnT6fpWzJkpTweyEPUPnp7u13e"
        "c6oyLGDKBoErcWrqOBHicQNp8fxte+Fj7qctjOqBa5vyG2oCM7HLD0BVIlp4HKvVej05klfTp7Gt1KKQBboA1yf2SGkSmXeRQH/Pipj60OBp"
        "shhCiRW8RnUoJhdsApNBpXWPYIkNgTGjzaVAl6kQBOJWleUzvVQLGl2l652JYphFZjuhXkSnI5wzOiVhV9Dpz/YQOGPoLGVgAsrO7vGA0td+"
        "FQIlY+MIrs0OvzqfmzW0oeYlR1sfKqd6zyHmn/sxUCf4G4Bq6TkxHsZjlN+TAQIDAQAB"
    ),
    "IFX TPM EK Intermediate CA 21": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAgUk5cQmXTWwIUMimAwTtfSCbG4j0NbaVOU2tn7TmQYACo5QJZtLwQQPIhllgDuqO"
        "KlxpfF+Yn2LTOgbaELUAdfN/POatBwQToOEJ4W/mUrOTxNr8VXnMuZFemnD1wFvODTQda4h/Q8QzS9jsaik/+rc393pFBpzQNF09U06E0CkC"
        "nDeiZ8DMLY3OPix28hpA9djUY4gqjLuS2CNWhSZnU+jwUeeLaB6HgQpbIe9xlmKoII39lMVaEmoRLjng1zLXPFmQlfr/UrvA6MWz3NkE0F3g"
        "DVxREvPfe3ZgKr5dwPj4m1WImiTFTtuhI0rkmL6bAstcgEjR3JAhBwW6/A4oNwIDAQAB"
    ),
    "IFX TPM EK Root CA": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1yZqFFg0PLDocW7Fyis2Xe5vERxnJ+KlEMUOQnrw5At9f0/ggovDM8uCVW71T6e2"
        "4T6HH6kUQZCtyddtsaf0tebmA3TxjiuBzBAtT6qyns35+sXuL6uZaLnjGKXDv+uByOzpmBXUSwq1tdSTPQ0wWWQ6v/qwKofZdxAaPCTIBw61"
        "G08rkUT42a1hPESmVFrmc5hcnn4AQmJEcjcOhClwIKE9OQw8TzI+7ncgCZlY3FZFKqHp7NRNnaihpmKbHvn5wXIUnKuvS4iZHqSbzGBuZ0og"
        "qJ22ruDJi+JWYUWBmgI1JO85CPJ1Q58t0ME3hM3oWeqV6adWUcIcIpclkYQWlwIDAQAB"
    ),
    "Infineon OPTIGA(TM) ECC Manufacturing CA 010": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmNM2OAm+Z8nWW8uHW1r2td77f6n1J6nQt8tT4PG6nx/PInVVpo5zCB0wlYJhZT/bwWM5fgaY"
        "Be/KsruY7tUeaw=="
    ),
    "Infineon OPTIGA(TM) ECC Root CA": (
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEJtR8S1YLwLtathjPspk89ds3UxLtCQVRvQnbFRCb/6RO6UljpbBt2MFO/dmAL40su8y/lrQyuNCh"
        "njpvG0lreOkCdNDEFJGMc+mKl229eAQa9OoVg+ruiDAbqTZD3faS"
    ),
    "Infineon OPTIGA(TM) ECC Manufacturing CA 011": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEFSwmnoHF+cFvvzNGm8WrWz7Dja7KFVsiSYeZzE9Svn9AduLqbfChhlUF/JntiuWgn5LK6Z3"
        "ITHPEg9DgCa/3A=="
    ),
    "Infineon OPTIGA(TM) RSA Manufacturing CA 010": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwEtScKQB4zjh2Ci7OOxmnIhSVCncEZYYc9daievbXPn8fsWp39O9RG+27tGWQgTr"
        "xtNnm12dOEVUWCG2azr3o1DREr/ESOHQ8/3kXhY286DmGZS4M02rya7uv+DWcKuZi9KR3NmbFHfqp2zp9S9xjUaugDVQYqsFJ2EYC89J7obF"
        "Hcfw0KYiUili1NDGzcYnnTSKhKPTsVloTezq6HgqeZArkOX/O1NIZX9RRpAbDnJ8GgVLqZ4gCkbFTbA9FY1S5fQsTTU3nv7HB7LkAsY+BPNb"
        "OjY4nq8nLc3LP4x1wj7iisx9Icn/fIgFldYFDHy09hlOQntWM94hLXIT0nc/1QIDAQAB"
    ),
    "Infineon OPTIGA(TM) RSA Root CA": (
        "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAuxPoHNAeU+2sM7seuszDGTE7QpD6hr+mtzVce9yAoNg0sJ4qRcAYlJfbKBKHZ9uU"
        "lVTe6aprygNoDE0eUHsbmEvTz3q30WawWNNMchcfOFfpiET4OGKlDC7WQXAMK0dxjunH3x6dtEgR+SE6bqinIsG9L+bni3bWR2ET6tfo4Muf"
        "CBWP7wAshf3HFmcVEiUTUnuK7sAYCOzTFonMYolkJs9XxN3tJlBkNbbuDOjKWT8U2cVszdJjM/Z6I9aCE2VJ6v3azeeCx81+OZftm9eH+RZL"
        "7XF8SezgpCO5ZliLfLOXxOB4YsRILEdkV+Yc5fF4h4ku7g96UIQWEgTeSAW1VkRHsdSFGreXgDm/QF452e4r8SSomPwZDpqzYDfJNu7zkuD/"
        "NYsdRp17I8hyepjrVkQvVB37yXLzN1PbblPt3UX4m9NzRsUj5yrXi+Ej9W3R34ho1dyyMcxRzn3YzNnLxSeo14OYcFwhUnbEJuXtgX093Vgw"
        "Un0eIdz66ZJenXAMm95zbTCtx0ecpekAbicm8PGnx09ykW8LzhzgkdGVSU7M3JRD3DNzUHcBZYai0oISH5Wikj7/ch0ynoNgAeavSUhtp8Ek"
        "64wykWm9tufsydMspR+TcMSAS2lRw8gBLvNWn/sJ5vfaKoLybgykkBsi3+rAnrsvNcEGDuOsjWvsScECAwEAAQ=="
    ),
    "Infineon OPTIGA(TM) RSA Manufacturing CA 011": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAue1NnPP7ZWDRj1of4h/vyabVX9ZLHiwuBIZkheDkNF4jsn+uR8xud3RXZrNd6lga"
        "6kmJPBwwa60HNc4bJ1XuFVy6Ch2V6yYNqzrIHgTBzfc5GqfjVXir47tRws2Em01lv+hLPcx0wdJLw1WVadwjPjKDVauNMTaWcZbQryXnZQkD"
        "TlNJqMEwCdYrnSxpNtgvmM/OqvdgQyGTV+N1A1uHGTqMyaRVzuq9BGyLfLrdbCgum4OUTlwmhVkRXCoo4loa6Mx3qlP4WsPLe0pnGnBNXzUO"
        "2Y+F2Ye2S45R58oxkeP2fznHY0z/7FDAJSYZSmfnjGwuNGANhoqzkjmAvfDOXwIDAQAB"
    ),
    "Infineon OPTIGA(TM) RSA Manufacturing CA 022": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAnFpFSA+DGquMUBFXwRPfuqD7xt8iM0P5erFCkhqWzt9DRzHt8ZP6+oPa+rlKncXy"
        "vpPAZckchkMRI9c6VRLWMFtMKxgnp19Z1aZKHWNodcLACmHQWVaw7KRraVrGLg/v7oZB7Hlqd/OByP83r1WoR4hWzhYS98bSIYAlZYOkbvGp"
        "yilwkKBBiuhyBylGg1PS06b5sbEUgxlb0YA8pWrWICDYIwQTRXcrXZqqXct5wnuhoTHnxGnhBmbrnGkhAoTomXcFdzBchk/NBdUsIWZ3J1RE"
        "+1rLftcODqZ79hpdIxi3ltYfVBrBsAKTrP+7Qh4o/xncu1cZTYO4Kj4dQ++RCQIDAQAB"
    ),
}

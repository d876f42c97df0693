"""Keys of endorsement CAs of TPM makers other than Infineon, by common name: DER SubjectPublicKeyInfo in Base64.

Facts about public certificates of the makers, read 2026-11-20; attestation.anchors_tpm says what is made of them.
Intel's two CAs share one common name, so they go by their organizational unit.
"""

from typing import Final

STMICROELECTRONICS_PAGE: Final = "http://www.st.com/TPM/repository/ (named in its certificates)"
STMICROELECTRONICS: Final[dict[str, str]] = {
    "STM TPM ECC Intermediate CA 01": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvUVh5iXWQ0kYwUoy7bqWMVkRG5abfGOsV2SLLRNxi7nmfa3q1sxh9KVRCDjhvElQb8B+DIG1"
        "L9m65NR+9AAjRg=="
    ),
    "STM TPM ECC Root CA 01": (
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEbv84tcyKmtBAfA2eSlPpqobM4YtxtsCBS3KOVc5m26/QYHS20np/AzCAW23xEqWSjwHCfz38Ghk5"
        "Rwjid7x11FKioTpK2dTcjXeqqNqVOirdGfPrU6afo0SsrWnFR7eP"
    ),
    "STM TPM EK Intermediate CA 01": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAlBidY7yLD3nm9apqRY2vdjJrNCc3OpX3v6VBr7BQoxVj6WzKEDI7Jc7fWPj5yW+y"
        "Pr4mE0TBC1yemRJz5NfrR5m8uGBk9SBFW4oH3DgZRXKD91vn3dBSY/wrjUizwT6XfYJB1xWH2CjS2ip/+hL/NrVMMUcQcuUHh0KOgqR+vf+G"
        "QYD1clqhSik7YQu3g62inXZrDUGSeiJOHX5hvOtm0CUjArZNf30ZbdIiNoKL58uhfIrYWbHy8qev0l80vzzzEr0FB+FnMqZsqb94sPV7UIVG"
        "zUHfPaB3drGlbmPU4iRIEw4hR6Knn7vG9ijaCivmbFq0H6vNK+ta6n0DAhzKYwIDAQAB"
    ),
    "STM TPM EK Intermediate CA 02": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAk7eKGf+4eBXceuU9mm/z7X7GD1xwt/elVcmhPmfw8ceLE3plEGZ/82Dzn84NnPGe"
        "i0LrhYPwYcwvJDQKdrcwkX4wYlnlHkmS4lEHgK2BM/BxNVkiwK66nRoNac/NiofC99qIPYUPRprEKdMoiNZT07O1MPYjrXFbYsoRjhV175bc"
        "LtZmBLlOmqRuEnPLY0mPqhIwMqSV8jdfyNV/tueAxwJHdfc1wijfj0gO3WvUZ/AH6hauGiBlWcwUkoChJg/xpCssNWXtJA4CBNfPYgMPpujW"
        "OBr/wpvvZ0OHwPaquSpaHsfB1qzeOqptv26Kro7Z0kljzoWN9+Nc+jeMaUWNOwIDAQAB"
    ),
    "STM TPM EK Intermediate CA 03": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApRUrT70scMDJoN2Rn0jdzeK1wMmYjP87BOzYRPbMADVsTgG1JGPetRefNqzwwG1F"
        "dDJ8N1cikvzQ8nLC1F6n8i6NjRiqYjVMJ54DvpIg8MOCLRbeHqHBMLWa/FbgjyLxkCoH+IHr6jcDutqllOy9+P0XCSEboWdp9z5280jidV27"
        "ovlMGGnvcecm9W+Ozph/NFxiLotcKlRm1BCTwNwpguYgPZb1ObVCNHoI6H/G4kijRtYaUF9Srdf3aKUgPXC4aLbsku96g6Tm0eHSWQGHBXVd"
        "gSF1SJ+ug8SrKVf2mpmTlKx6JDpcHNhfkrhkio4NIxZf3Yb60GmQv9FvsykzeQIDAQAB"
    ),
    "STM TPM EK Intermediate CA 04": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwltmiAVL54oWoOrrNuoJKZTtRuMb80VW6IKX3FBB6Jn5fPRy4MNmE5UraG0fdfON"
        "hW5abaCjx0WRY4QAOzvktitTaxO31aXJkF+6hwjQaiERj4qExoullkkYyqv7AiAso1eBxzu8Hu5L7K+aOOM4zXtHGKx7XJWU3ochBgykvnkd"
        "bMAyzklLRqfogR0dtzz/aYJl0G1llPEurh4RHh7g23tiqREdz+dnVpi60/dqIYjPI+NgWyEqWijK+NW/eu60k5FIGbho0oRBSEtYFOev95oC"
        "Px7LgFqz8aTbEojyQFXGUubYOu4nWtEUCF81Ef5TpIYLgC/fPHRxhvNzzQOMwwIDAQAB"
    ),
    "STM TPM EK Intermediate CA 05": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtVblJyhKILKd4I2s98yhsmKi4XizKsOsJrGdPJxB8lLgKxnBxoURpmoq+6rB80ST"
        "8vt1fiZzZ7vBFCmFiO2tduXMIBRyBJoy1p4+Opvq0c5IQNJxTf740cZwll+dvlQkStpvp42tzsM9O6p/HULY5fbXZJGz6YFvSau/oZTUSw+I"
        "kaX6Oh6AoDywmTQHAviDguXE0oJFTkQvb+GjEpuEuL/8Eb12tZl6M5hpEGVaWgXnS+HCqdGxF5IRbA7Yc3sbRE91U9u7q7YDL5Bvf7+MDEcM"
        "ibkoprv61B38KT0mJyaV2b5xPlvqWDLR4tYFXO9WO6pK5ihUu5zaYMQCYBaBrQIDAQAB"
    ),
    "STM TPM EK Intermediate CA 06": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA68iNcEttUF8gLtIWNzPiGbpHQjK5EmknjmeljK2UAeahWiyhPeKyXnZPhQHhPWvV"
        "vzLtj69bcR3Sxk76b+ke1RzmH3TnTKcZ523S6+41nVxWdfaH9dNx0ohrCoQFVdFlDk4kyn9oOVTCxR4FP5KWEBqA2GbI3Da0LZpvl3uqvwVT"
        "TcOzqKjz3ZpIPbfPnXIsCLHXbW5Qcg+YcHJplGdopy1Nu7u6XAg2Wt1wH3ndnRZVCGKXnKNmzXjJ3jICcDdnVlb6as6Svx6FWxRu+tTHJ+Ew"
        "icysRMjFHhH1flxMhWJrZJVO1+qtvpcwLX9PsrU8f3RBe2W3dYgsww0mEsPL6QIDAQAB"
    ),
    "STM TPM EK Intermediate CA 07": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqSLPuJ8WKnl4gPIoI0FUu3FJcV64cFwttxbbmqaXS54AeE9E73Wovwbc+xrLqyTj"
        "tCKKlUIzQmf8gZvkgM62a1lVY4gp1tI8GEdxtvWEGQYxpEny9U/hxzGnXPTMchNAi0qATU7/+lwuzkXcZQpwVUFMh8hKvuLLiUgJGny03kKD"
        "wJZHRXHgOqlzgL/DkobqLQwZpwETw3141hif8wOiEIb+7Sk/qkmiJAd56SDvFjs8B5sgN4VQ/CbAEMkuXQ5bmSjBPAV5jZfILW0LRXyqMJqO"
        "xT6BHdzD6UAJTLEzvfDkwzPDWzD87qgyzSgrW8aeLQ+gl1J7LLaMgz/DMppYAQIDAQAB"
    ),
    "STM TPM EK Root CA": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA8QSxucHAfSdDLIiTK3qFkJdtWwTddkkhmTydx6D483K8wM+kj8vk6xZmenlFbKbB"
        "S/9t8HT6a6k1LQx4vgtqcJP93Rd/0W9rf8h4Ij5WwrIWKYuX/6ye5820NXGti8197GgXud1XzUEFdM3ebjNA00q5gClNUSAI9lpWRVl6DeDV"
        "k8kbak+bLjx2tsvBZQljGSpUtBYmOKXzNtG+WEPhC+M6m/czed7v03WGXoK30pXN9DZfRtdzIIvvK7TxSsLMcdORAW4Va6B+2ilSNXY7HxNT"
        "Fa1M8Otjx4pN8Zc851zC/Do2P/8SnoglnLAKbhgmiAH+07E0YtpfAzQd6wq9VwIDAQAB"
    ),
}

NUVOTON_PAGE: Final = "https://www.nuvoton.com/security/NTC-TPM-EK-Cert/ (named in its certificates)"
NUVOTON: Final[dict[str, str]] = {
    "NTC TPM EK Root CA 01": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA6DasYbQ+MlLV4aikBhmXpqCicro9UZ1r5jYMyLS3nozVPAenzp6TEMqEuCu9rTIY"
        "RUSto1fUWM8iTEoxMMl9AEkztdsjLYtlCUEutHd+nhsJPFi4KxZ5yE5XprIYtNYfbdTDpmst0ztSyx/9/1Qyifo23XG3yDtmwarjfK9/6I2F"
        "GjUj4+qStZprDKCVxeHRkUhMG/+KMwSMOXboJtTBKuGY9xmdGD4OcMi0boEG7ew5FDl+BRriuafwtLuc1/Lt9xBk6w60c98nt8zvmgGNcVxf"
        "5qsBKoMV+TPH9Pw100zvwn3iJLLj3js7oxbV34uQsuuHniGdJwFBt427Zxo6BQIDAQAB"
    ),
    "NTC TPM EK Root CA 02": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0moFsWgDU9WANmFEje7Ku8szk9cpmyDPloo4ROQBnC8CxaCfX5mkK2C+nwFthFv0"
        "N8rve0PWLK/MmGdlwgn8X7HhK1bPNGp/DZOi5Ew8/PtB5tAnLdJJbzVAGRCL1qZoB2TLxoo18jnKeM+PeHfAdvGJ2yO8dCTF2WUECkIvln7h"
        "7Z7RftqLGEnMHqHIqT6xnjjSylPbJ4Fmdr5578NUgZ3k2oq8atENEg+gcfY7cb3X/O3rpPCc3z4V/I6fBhHgI5i8BkfrZzkKw5nMxjZqe2GD"
        "TUfkOzWVaGFh8OY2qGZzcW6LllF2WcRag7Af53QilrbCM0WD7lnKqxXJlDeElQIDAQAB"
    ),
    "Nuvoton TPM Root CA 0100": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0YeQMNjmni0lwN5ZS1OinKWfu5F/XTk160OX0ZYXTv/yGzAOA6LYr2C9sva4FjiDwfIcJQOd"
        "EQ8ZcyTypQ+qOQ=="
    ),
    "Nuvoton TPM Root CA 1110": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENWQQ6m7KG6+JoMfrFCPd9ppXZngW9dJ3BSROIHUmM8OC/U9TRIVi0QTVb1WYjUZw6fkUBSLb"
        "9AzfoM+GY9N36g=="
    ),
    "Nuvoton TPM Root CA 1111": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0XIJx3EJPfRRTEPvVFVRc3+uCdY54caRgHWRB0ZXmX5H02Bh7Ha9y/RS3RlVG/gQNnIpt9KL"
        "7jw2ThjlCj62iw=="
    ),
    "Nuvoton TPM Root CA 2110": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+/24rYE2bz+eYjI2xzb9oodXRZGm3OB7eMoAiBQyixAiiSXgsTeKildYPceu7GN/2+QswMmt"
        "N4reFaHbJJLjJA=="
    ),
    "Nuvoton TPM Root CA 2111": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2pzcsD5BP0SAgWeFY8Aspiw7bAe1J7+djo9B8hLAH3O/r4zpdgz/CW63KM2NObOxhX0Kkd74"
        "b+GXZCTGpYDq9g=="
    ),
}

INTEL_PAGE: Final = "http://upgrades.intel.com/content/CRL/ekcert/ (named in its certificates)"
INTEL: Final[dict[str, str]] = {
    "TPM EK intermediate for SPTH_EPID_PROD": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEryzECW6qpKxLE8m3YQwVO+oiea9EkzNEVxDAA/IOaq+u1MMYW1POaBQFO17J57eFLmTfC3pC"
        "taBnB9mWsjFhzg=="
    ),
    "TPM EK root cert signing": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAElH2BUSyNSsxv4T92XX3LAmwpkOeCGbBXIbXp0B9DQ9+2nVuOG08QYSC69ssZFGikpYdWxwA6"
        "VMWe8Ier7r/39A=="
    ),
}

NATIONZ_PAGE: Final = "http://pki.nationz.com.cn/ (named in its certificates)"
NATIONZ: Final[dict[str, str]] = {
    "Nationz TPM Manufacturing CA 001": (
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEDyuLiwyMrlGgX0s4Dx5mz1kconV1dP/DbxW3B7rIEDg6nnDSfSjf70088ol+zDVgOh4pn2TC+nFN"
        "UzuQG2ko7Do1FGptQCTMB9iojCkc8+E3bklI5eGXduffp1IJ9QJ+"
    ),
}

ALIYUN_PAGE: Final = "https://aliyun-tpm-ca.oss-cn-beijing.aliyuncs.com/ (named in its certificates)"
ALIYUN: Final[dict[str, str]] = {
    "Aliyun TPM EKMF CA": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA5VkkK8OsMkdxdhG/08XDBRMHgag6S5rDtH95qbxXwE4DiOvfUAIUiZ+51Ke89jQv"
        "aQX0GyH0cc3wXgsKTrsQFM0XRo4/Jj2pgMzJSqVOghDPCE2Cm1qgsOS+YqBWN9DNbTWFl5Tha/+f7me80fz5cOdTvYDL7K2Gx/2iGrXYPy7t"
        "vBvs1piQczkf/NWbfynpwNKyg7uwyiXd3d9e/0V+0b9+k68tddGH8H30ufdGv/TkdDKaD5oN3EOiQ2ybDVgaPG84Ymea+bwqR/YDsotIQSU5"
        "hVfGpYRKDbQdGeIkqm6PapUGfWBLTsy/bnRSk1c6uRQOhVQ1LHVRpUR9/iHidwIDAQAB"
    ),
}

GLOBALSIGN_PAGE: Final = "http://secure.globalsign.com/ (named in certificates of ST)"
GLOBALSIGN: Final[dict[str, str]] = {
    "GlobalSign Trusted Platform Module Root CA": (
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA+LcaLTAfJNPt2rbhxoUCnfWBcUO8AtEYmsyI/5O6chg9pxgPx4FVI0SJWgJRxV9j"
        "HOX8M9PGZHIZeBAzwJWH1MevENNbs3Y9IChnt++WaNOIEv8hDubUX73AYj8W5oxOmHPDqUF1rscWUhgpNsz+/PbhrEIcvMnxeKvYvzz0P0ww"
        "h6sFGqi5WwMZq4f5Mg53DiggYqGiup+wOujnskfBWIxaVsHU6Bp3s8Fflf970YM11lN2jhzRtmco750S3MSAoKEmZDnczFr3LjE8wZFGeMuz"
        "LG4z32+SRhfLuufFy1Kjsa0YgklVps25dnSl5pj2S7QJSAoCxCd0uRMfPxsiHQIDAQAB"
    ),
}

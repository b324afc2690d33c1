"""Every check by the name that rows use."""

from __future__ import annotations

from functools import partial
from typing import Any

from guard.pii import (
    checks_americas,
    checks_china,
    checks_europe,
    checks_world,
    credentials,
    phones,
    validators,
)
from guard.pii.borrowed import borrowed
from guard.pii.rows import Row
from guard.pii.sums import Check

_LIBRARY = """
ad.nrt al.nipt ar.cbu ar.dni at.businessid at.tin at.uid at.vnr az.voen be.bis be.eid be.vat bg.egn bg.pnf
bg.vat br.cnpj by.unp ca.bc_phn ch.uid co.nit cr.cpf cr.cpj cr.cr cu.ni cy.vat cz.bankaccount cz.dic cz.rc
de.leitweg dk.cpr dk.cvr do.cedula do.ncf do.rnc dz.nif ec.ci ec.ruc ee.ik ee.kmkr ee.registrikood eg.tn es.cae
es.ccc es.cif es.cups es.referenciacatastral eu.banknote fi.alv fi.veronumero fi.ytunnus fo.vn fr.nif fr.siren
fr.siret fr.tva gb.upn gb.utr gb.vat gh.tin gn.nifp gr.amka gr.vat gt.nit hr.oib hu.anum id.nik id.npwp ie.pps
ie.vat il.hp in_.vid is_.kennitala is_.vsk it.aic jp.cn ke.pin li.peid lt.asmens lt.pvm lu.tva lv.pvn ma.ice
mc.tva md.idno me.pib mk.edb mt.vat mu.nid mx.curp mx.rfc my.nric mz.nuit nl.btw
nl.onderwijsnummer no.fodselsnummer no.kontonr no.mva no.orgnr nz.bankaccount nz.ird pe.cui pe.ruc pk.cnic
pl.nip pl.regon pt.cc py.ruc ro.cui ro.onrc rs.pib ru.inn ru.ogrn se.vat sg.uen si.ddv si.emso si.maticna sk.dph
sk.rc sm.coe sn.ninea sv.nit th.moa th.tin tn.mf tr.vkn tw.ubn ua.edrpou ua.rntrc us.atin uy.rut ve.rif vn.mst za.tin
""".split()

_OWN: dict[str, Check] = {
    check.__name__: check
    for check in (
        validators.card,
        validators.card_said,
        validators.iban,
        checks_china.cn_resident_id,
        checks_china.cn_resident_id_shape,
        checks_china.cn_resident_id_15,
        checks_china.cn_uscc,
        checks_china.tw_id,
        checks_china.hk_id,
        checks_americas.us_ssn,
        checks_americas.us_ssn_said,
        checks_americas.us_itin,
        checks_europe.uk_nhs,
        checks_europe.uk_nino,
        checks_americas.us_ssn_bare,
        checks_americas.us_aba_routing,
        checks_americas.us_dea,
        checks_americas.us_npi,
        checks_americas.us_ein,
        checks_americas.ca_sin,
        checks_americas.ca_bn,
        checks_americas.br_cpf,
        checks_americas.ar_cuit,
        checks_americas.cl_rut,
        checks_europe.icao_9,
        checks_europe.de_tax_id,
        checks_europe.de_vat_id,
        checks_europe.de_health_insurance,
        checks_europe.de_social_security,
        checks_europe.de_lanr,
        checks_europe.de_bsnr,
        checks_europe.es_nif,
        checks_europe.es_nie,
        checks_europe.it_fiscal_code,
        checks_europe.it_vat_code,
        checks_europe.pt_nif,
        checks_europe.pl_pesel,
        checks_europe.fi_personal_identity_code,
        checks_europe.se_personnummer,
        checks_europe.se_organisationsnummer,
        checks_europe.nl_bsn,
        checks_europe.be_nn,
        checks_europe.fr_nir,
        checks_europe.ch_ahv,
        checks_europe.ro_cnp,
        checks_world.au_abn,
        checks_world.au_acn,
        checks_world.au_tfn,
        checks_world.au_medicare,
        checks_world.in_aadhaar,
        checks_world.in_gstin,
        checks_world.in_vehicle,
        checks_world.kr_rrn,
        checks_world.kr_frn,
        checks_world.kr_brn,
        checks_world.sg_nric_fin,
        checks_world.th_tnin,
        checks_world.tr_national_id,
        checks_world.ph_tin,
        checks_world.za_id_number,
        checks_world.ng_nin,
        checks_world.il_idnr,
        checks_world.jp_in,
        validators.ipv4,
        validators.ipv6,
        validators.mac,
        validators.base58check,
        validators.base58_key,
        validators.bech32,
        validators.iccid,
        validators.imei,
        validators.bic,
        validators.gps,
        validators.gps_degrees,
        validators.gps_angle,
        validators.handle,
        validators.username,
        validators.vin,
        validators.vin_said,
        phones.phone_international,
        phones.phone_possible,
        phones.phone_us_bare,
        phones.phone_cn_mobile,
        phones.phone_said,
        phones.phone_trunk,
        phones.phone_national,
        credentials.key,
        credentials.shaped_key,
        credentials.random_key,
        credentials.numbered_key,
        credentials.openai_key,
        credentials.artifactory,
        credentials.high_entropy,
        credentials.drawn_key,
        credentials.url_credentials,
        credentials.user_password,
        credentials.password,
        credentials.password_said,
        credentials.passphrase,
        credentials.wallet_words,
        credentials.token,
        credentials.credential,
        credentials.jwt,
        credentials.connection_string,
        credentials.email,
        credentials.url,
        credentials.plate,
    )
}

PLANNED = frozenset({"phone_national", "phone_trunk"})
"""The checks that ask the numbering plans of countries."""

CHECKS = _OWN | {name: borrowed(name) for name in _LIBRARY}
"""By the name that rows use; those with a stop in it are python-stdnum's."""


def check_of(row: Row) -> Check | None:
    """The check of a row, narrowed to the plans that it names."""
    if not row.check:
        return None
    check: Any = CHECKS[row.check]
    return partial(check, regions=frozenset(row.plans)) if row.plans else check

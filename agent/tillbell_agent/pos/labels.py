"""The words of receipts, as data: what stands before a value, and which title lines say what kind of receipt it is.

Words of Chinese UnionPay slips, Chinese till receipts and Western and Korean receipts. A shop's own words are added by
``ReceiptLabels.extended``. Case, spaces, dashes and dots inside a Latin label do not matter, nor do spaces between the
characters of a Chinese one; an English name in brackets behind it is part of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from tillbell_agent.pos.settings import SettingsError, unknown_name

_MAX_WORD = 60  # a label longer than a printed line matches nothing


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for line in text.splitlines() for word in line.split("|") if word.strip())


@dataclass(frozen=True, slots=True)
class ReceiptLabels:
    """Each field is a tuple of words. First the labels of values, then the words of titles.

    Amounts, by rank: ``paid`` > ``refund_total`` = ``void_total`` > ``due`` > ``total`` > ``refund`` = ``void`` >
    ``amount``; ``received`` lowers a total that was not wholly paid. ``other`` labels end a value and mean nothing.

    Of titles, ``filler`` words may stand in any, ``beside`` words only in those of ``fields._MEANT_BESIDE``. Those that hold
    a ``weak`` word or one ``beside`` count above the first amount only: lower down they are prose, or of one article.
    """

    paid: tuple[str, ...] = _words(
        """实付|实付金额|实付款|实际支付|实付合计|实际付款|支付金额|付款金额|お支払金額|お支払い金額|お支払合計
        顾客实付|实际扣款|客户实付"""
    )
    due: tuple[str, ...] = _words(
        """应收|应收金额|应收合计|应收款|应付|应付金额|应付合计|应付款|GRAND TOTAL|TOTAL DUE|AMOUNT DUE|BALANCE DUE
        TOTAL TO PAY|TOTAL AMOUNT|TOTAL PAID|TOTAL SALE|ZU ZAHLEN|ZAHLBETRAG|GESAMTBETRAG|ENDBETRAG|NET A PAYER|NET À PAYER
        TOTAL TTC|TOTAL A PAYER|TOTAL À PAYER|TOTALE COMPLESSIVO|TOTAL A PAGAR|결제금액|결제 금액|받을금액|청구금액|승인금액
        TOTAL BAYAR|JUMLAH BAYAR|TOTAL BELANJA|TOTALE EURO|TOTAL IMPORTE|IMPORTE A PAGAR|TE BETALEN|お買上合計|お買上計|合計金額
        ATT BETALA|Å BETALE|AT BETALE|DO ZAPŁATY|K ÚHRADĚ|FIZETENDŐ|MAKSETTAVA|К ОПЛАТЕ|ÖDENECEK TUTAR|TỔNG THANH TOÁN"""
    )
    total: tuple[str, ...] = _words(
        """合计|合计金额|总计|总额|总金额|总价|总合计|金额合计|消费合计|本单合计|合計|TOTAL|NET TOTAL|YOUR TOTAL|SALE TOTAL|ORDER TOTAL
        SUMME|GESAMT|GESAMTSUMME|TOTALE|IMPORTE TOTAL|VALOR TOTAL|합계|합계금액|총액|총금액|판매금액|총합계|매출합계
        JUMLAH|TOTAAL|お買上額|現計
        TOTALT|SUMMA|RAZEM|SUMA|SUMA PLN|CELKEM|ÖSSZESEN|YHTEENSÄ|ИТОГ|ИТОГО|ВСЕГО|TOPLAM|GENEL TOPLAM|TỔNG CỘNG|THÀNH TIỀN"""
    )
    amount: tuple[str, ...] = _words(
        """交易金额|消费金额|收款金额|金额|AMOUNT|AMOUNT CHARGED|TXN AMOUNT|TRANSACTION AMOUNT|SALE AMOUNT|PURCHASE AMOUNT|PURCHASE
        BETRAG|MONTANT|MONTANT REEL|MONTANT RÉEL|IMPORTE|IMPORTO|VALOR|거래금액|금액
        MONTO|MONTO TOTAL|MONTO COMPRA|VALOR DA VENDA|BEDRAG|ご利用金額|取引金額|領収金額|金額
        BELOPP|BELØB|BELØP|KWOTA|ČÁSTKA|ÖSSZEG|СУММА|TUTAR|SỐ TIỀN
        扣款金额
        MONTANTE|SATIŞ TUTARI"""
    )
    received: tuple[str, ...] = _words("实收|实收金额|实收款|收款")
    change: tuple[str, ...] = _words(
        "找零|找零金额|CHANGE|CHANGE DUE|RÜCKGELD|RENDU|거스름돈|VUELTO|CAMBIO|TROCO|KEMBALI|KEMBALIAN|WISSELGELD|お釣り|お釣|釣銭|VÄXEL|RESZTA|VRÁTIT|СДАЧА|PARA ÜSTÜ|TIỀN THỪA"
    )
    refund_total: tuple[str, ...] = _words(
        """REFUND TOTAL|TOTAL REFUND|REFUND AMOUNT|AMOUNT REFUNDED|退款金额|退款合计|退货金额|退货合计|应退|应退金额|实退|实退金额
        MONTANT REMBOURSE|MONTANT REMBOURSÉ|ERSTATTUNGSBETRAG|환불금액|반품금액"""
    )
    void_total: tuple[str, ...] = _words(
        "VOID TOTAL|TOTAL VOID|VOID AMOUNT|VOIDED TOTAL|撤销金额|STORNOBETRAG|취소금액"
    )
    refund: tuple[str, ...] = _words("REFUND|退款|退货|RÜCKERSTATTUNG|REMBOURSEMENT|환불|반품")
    void: tuple[str, ...] = _words(
        "VOID|VOIDED|VOID SALE|SALE VOID|撤销|消费撤销|撤单|STORNO|ANNULATION|취소|승인취소|결제취소|거래취소"
    )

    kind: tuple[str, ...] = _words(
        """交易类型|交易类别|消费类别|交易种类|交易名称|TRANS TYPE|TRANSACTION TYPE|TXN TYPE|TRAN TYPE|TYPE|거래구분|거래유형
        VORGANGSART|TRANSAKTIONSTYP|TRANSACTION
        TIPO DE TRANSACCION|TIPO DE TRANSACCIÓN|TIPO TRANSACCION|TIPO OPERAZIONE|取引内容|取引区分|取扱区分
        TIPO OPERACION|TIPO OPERACIÓN|TIPO DE OPERACION|TIPO DE OPERACIÓN|거래종류"""
    )
    receipt_no: tuple[str, ...] = _words(
        """凭证号|凭证号码|单号|小票号|流水号|小票流水号|订单号|订单编号|账单号|单据号|票号|交易流水号|交易流水|收银流水号|销售单号|店内单号
        VOUCHER|VOUCHER NO|RECEIPT|RECEIPT NO|RECEIPT NUMBER|RECEIPT ID|INVOICE|INVOICE NO|INV|INV NO|TRANSACTION NO|TRANSACTION ID|TRANSACTION NUMBER|INVOICE NUMBER|ORDER NO|ORDER NUMBER
        ORDER|CHECK NO|TICKET|TICKET NO|TICKET N°|BILL NO|BELEG|BELEG-NR|BNR|BELEGNUMMER|BON-NR|BONNUMMER|RECHNUNGS-NR|RECHNUNG NR
        QUITTUNGS-NR|REÇU NO|RECU NO|FACTURE NO|N° TICKET|SALE NO|SALE ID|영수증번호|영수증 번호|주문번호|전표번호|거래번호
        BOLETA NO|BOLETA NRO|FACTURA NRO|NUMERO OPERACION|NÚMERO OPERACIÓN|NRO OPERACION|DOC N|DOCUMENTO N|SCONTRINO N|NO STRUK|NO NOTA|BON NR|伝票番号|レシート番号|レシートNo
        KVITTO|KVITTO NR|KVITTERING NR|BON NUMMER|NR PARAGONU|PARAGON NR|ČEK №|ЧЕК|ЧЕК №|FİŞ NO|FIS NO|SỐ HĐ
        交易凭证号"""
    )
    wallet_no: tuple[str, ...] = _words(
        "交易单号|微信单号|支付宝单号|商户单号|商户订单号|支付单号|付款单号|平台单号|微信订单号|支付宝订单号"
    )
    rrn: tuple[str, ...] = _words(
        """参考号|交易参考号|系统参考号|检索参考号|REFER NO|REF|REF NO|REF NUM|REF NUMBER|REFERENCE|REFERENCE NO|REFERENCE NUMBER|RRN
        RETRIEVAL REF|RETRIEVAL REF NO|참조번호
        NO REFERENSI|NUMERO REFERENCIA
        检索号|RREF|RETRIEVAL REF NUM|RET REF NO"""
    )
    stan: tuple[str, ...] = _words(
        """终端流水号|系统跟踪号|追踪号|STAN|TRACE|TRACE NO|TRACE NUMBER|SYSTEM TRACE|SYSTEM TRACE NO|TA-NR|TA NR|TRACE-NR|TRACENUMMER
        SEQ NO"""
    )
    auth_code: tuple[str, ...] = _words(
        """授权码|授权号|授权号码|AUTH|AUTH NO|AUTH CODE|AUTH ID|AUTHORIZATION|AUTHORISATION|AUTHORIZATION CODE|AUTHORISATION CODE
        APPROVAL|APPROVAL CODE|APPROVAL NO|APPR CODE|APP CODE|APPR|GENEHMIGUNGS-NR|GENEHMIGUNGSNUMMER|AUTORISIERUNGS-NR
        AUT-NR|NO AUTO|N° AUTO|NUMERO AUTORISATION|AUTORISATION|승인번호|승인 번호
        CODIGO AUTORIZACION|CÓDIGO AUTORIZACIÓN|COD AUTORIZACION|CODIGO DE AUTORIZACION|CÓDIGO DE AUTORIZACIÓN|AUTORIZACION|AUTORIZACIÓN|AUTORIZZAZIONE|COD AUT|CODICE AUTORIZZAZIONE|AUTORIZAÇÃO|AUTORIZACAO|KODE APPROVAL|承認番号
        КОД АВТОРИЗАЦИИ|KOD AUTORYZACJI|ONAY KODU|PROVİZYON NO
        AUTH CD
        AUT|ONAY"""
    )
    batch: tuple[str, ...] = _words(
        """批次号|批次号码|批次|BATCH|BATCH NO|BATCH NUMBER|BATCH NUM|BATCH ID|배치번호|LOTE|NRO LOTE|NUMERO LOTE
        批号"""
    )
    terminal_id: tuple[str, ...] = _words(
        """终端编号|终端号|终端号码|终端ID|TERMINAL|TERMINAL NO|TERMINAL ID|TERM ID|TERM NO|TID|TERMINALNUMMER|TERMINAL-NR
        단말기번호|단말기 번호|단말번호
        TERMINALE|NRO TERMINAL|端末番号|端末ID
        终端机号|终端编码"""
    )
    merchant_id: tuple[str, ...] = _words(
        """商户编号|商户号|商户代码|商户号码|商户ID|MERCHANT NO|MERCHANT CODE|MERCHANT ID|MERCHANT NUMBER|MID|MERCH ID|VU-NR|VU-NUMMER
        가맹점번호|가맹점 번호
        CODIGO COMERCIO|CÓDIGO COMERCIO|NRO COMERCIO|COD ESERCENTE|加盟店番号
        商户编码|商户代号|特约商户编号|MERCH"""
    )
    card: tuple[str, ...] = _words(
        """卡号|银行卡号|支付卡号|CARD|CARD NO|CARD NUM|CARD NUMBER|CARD #|PAN|ACCT|ACCT NO|ACCOUNT|ACCOUNT NO|KARTE|KARTEN-NR|KARTENNUMMER
        CARTE|NO CARTE|N° CARTE|NUMERO CARTE|CARTE BANCAIRE|카드번호|카드 번호
        TARJETA|NRO TARJETA|TARJETA NO|CARTÃO|CARTAO|CARTA|CARTA N|NO KARTU|KARTU|カード番号
        NUMERO DE TARJETA|NÚMERO DE TARJETA|KART NO|卡号后四位|卡号尾号"""
    )
    scheme: tuple[str, ...] = _words(
        "卡组织|卡类型|卡别|CARD TYPE|CARD SCHEME|CARD BRAND|APP LABEL|APPLICATION LABEL|KARTENART|카드종류|카드사"
    )
    payment: tuple[str, ...] = _words(
        "支付方式|付款方式|结算方式|结账方式|收款方式|支付类型|支付渠道|PAYMENT|PAYMENT METHOD|PAYMENT TYPE|PAID BY|TENDER|ZAHLUNGSART|ZAHLART|결제수단|결제방법|FORMA DE PAGO|MEDIO DE PAGO|FORMA DE PAGAMENTO|PAGAMENTO|METODE BAYAR|お支払方法|お支払い方法|支払方法"
    )
    method: tuple[str, ...] = _words(
        """微信支付|微信|支付宝|支付宝支付|现金|现金支付|银行卡|银联|银联卡|云闪付|数字人民币|会员卡|储值卡|会员余额|信用卡|借记卡|刷卡|扫码支付
        CREDIT CARD|DEBIT CARD|CREDIT|DEBIT|CARD PAYMENT|CASH|VISA|MASTERCARD|AMEX|MAESTRO|UNIONPAY|JCB|WECHAT PAY|ALIPAY|APPLE PAY|GOOGLE PAY
        GIROCARD|EC-KARTE|KARTENZAHLUNG|KREDITKARTE|BARGELD|BAR|ESPECES|ESPÈCES|CARTE DE CREDIT|CHEQUE|현금|신용카드|카드|체크카드"""
    )
    time: tuple[str, ...] = _words(
        """日期/时间|日期时间|交易时间|交易日期|结账时间|结算时间|支付时间|收款时间|付款时间|日期|DATE/TIME|DATE & TIME|DATE TIME|TRANS TIME|TRANS DATE
        TRANSACTION DATE|TRANSACTION TIME|DATE|DATUM|거래일시|거래 일시|결제일시|승인일시|판매일시
        FECHA|FECHA HORA|DATA E ORA|DATA HORA|TANGGAL|TGL|取引日時|ご利用日"""
    )
    original_ref: tuple[str, ...] = _words(
        """原凭证号|原参考号|原交易参考号|原交易流水号|原流水号|原交易凭证号|原单号|原订单号|原系统参考号|ORIG VOUCHER NO|ORIG TRACE|ORIG REF
        ORIGINAL RECEIPT|ORIGINAL RECEIPT NO|ORIGINAL TRACE|ORIGINAL REF|ORIGINAL INVOICE|ORIG RECEIPT|ORIG INVOICE|ORIG REF NO
        原伝票番号"""
    )
    result: tuple[str, ...] = _words(
        "应答码|返回码|响应码|RESPONSE CODE|RESP CODE|RC|RESULT CODE|RESPONSE|ANTWORTCODE|응답코드"
    )
    count: tuple[str, ...] = _words("笔数|总笔数|交易笔数|合计笔数|COUNT|TOTAL COUNT|ANZAHL|건수")
    expiry: tuple[str, ...] = _words(
        "有效期|卡有效期|EXP|EXP DATE|EXPIRY|EXPIRY DATE|EXPIRES|EXPIRATION|GÜLTIG BIS|VALID THRU|VALIDITE|유효기간|VENCIMIENTO|SCADENZA|VALIDADE|有効期限"
    )
    other: tuple[str, ...] = _words(
        """SUB TOTAL|SUBTOTAL|SOUS TOTAL|ZWISCHENSUMME|TOTAL TAX|TOTAL VAT|TOTAL GST|TOTAL MWST|TOTAL TVA|TOTAL HT|TOTAL ITEMS|TOTAL ITEM
        TOTAL QTY|TOTAL QUANTITY|TOTAL DISCOUNT|TOTAL DISCOUNTS|TOTAL SAVINGS|TOTAL SAVED|TOTAL POINTS|TOTAL TIP|TOTAL NET|TOTAL COUNT OF
        TOTAL BEFORE TAX|TOTAL EXCL TAX|TOTAL EXCL VAT|TOTAL ARTICLES|TOTAL TENDERED|TOTAL CASH|TOTAL BEFORE DISCOUNT|TOTAL PRICE OF
        AMOUNT TENDERED|AMOUNT SAVED|TAX AMOUNT|VAT AMOUNT|DISCOUNT AMOUNT|TIP AMOUNT|TIP|TAX|VAT|DISCOUNT|BALANCE|SAVINGS|ACCOUNT BALANCE
        小计|数量|总数量|总数|件数|总件数|优惠|优惠金额|优惠合计|折扣|折扣金额|折扣合计|税额|合计数量|合计件数|商品合计|商品总额|原价合计|积分|余额|卡余额|人数
        收银员|操作员|操作员号|营业员|服务员|商户名称|发卡行|收单行|发卡机构|收单机构|桌号|台号|电话|地址|小费|会员号|会员|手机号|机号|款台
        持卡人签名|持卡人|姓名|客户|OPERATOR|OPERATOR NO|CASHIER|SERVER|CLERK|ISSUER|ACQUIRER|MERCHANT NAME|MERCHANT|CARDHOLDER|CARDHOLDER NAME|NAME|TIME
        交班|交接班|BAR ORDER|STORE|STORE NO|TEL|PHONE|TABLE|GUESTS|QTY|AID|TC|TVR|TSI|ATC|ARQC|APPLICATION ID|MWST|NETTO|BRUTTO|KUNDE|TVA|HT|부가세|과세|면세|공급가|할인|소계
        SUBTOTALE|SUBTOTAAL|PPN|IVA|PROPINA|COPERTO|DESCONTO|DESCUENTO|SCONTO|DISKON|EFECTIVO|CONTANTI|DINHEIRO|TUNAI|CONTANT|小計|消費税|内税|外税|値引|割引|お預り|お預かり|点数|ポイント|有効ポイント|担当|レジ
        MOMS|DELSUMMA|MVA|VAT A|DPH|ÁFA|ALV|НДС|KDV|ARA TOPLAM|НАЛИЧНЫМИ|GOTÓWKA|NAKİT|KONTANT"""
    )

    settlement_words: tuple[str, ...] = _words(
        """结算总计单|结算总计|总计单|POS结算单|POS结算|结算报表|批结|批上送|日结|日结单|交班|交班单|交接班|日报表|营业日报|销售日报|营业汇总|销售汇总|对账单
        SETTLEMENT|BATCH REPORT|BATCH TOTALS|BATCH TOTAL|BATCH CLOSE|BATCH CLOSED|END OF DAY|DAY END|Z REPORT|Z-REPORT|X REPORT|X-REPORT|SHIFT REPORT
        DAILY REPORT|TOTALS REPORT|SUMMARY REPORT|DAILY SALES|KASSENSCHNITT|KASSENABSCHLUSS|TAGESABSCHLUSS|Z-BERICHT|X-BERICHT|Z-BON|X-BON
        TELECOLLECTE|TÉLÉCOLLECTE|REMISE EN BANQUE|BORDEREAU DE REMISE|CLOTURE|CLÔTURE|정산|일마감|마감정산
        CIERRE DE LOTE|CIERRE DE CAJA|CIERRE Z|CIERRE DIARIO|CHIUSURA CONTABILE|CHIUSURA GIORNALIERA|FECHAMENTO|REDUÇÃO Z|TUTUP HARIAN|日計|日計表|点検
        DAGSRAPPORT|Z-RAPPORT|X-RAPPORT|RAPORT DOBOWY|СВЕРКА ИТОГОВ|Z-ОТЧЕТ|Z-ОТЧЁТ|GÜN SONU|Z RAPORU
        交班报表|交班小票|班结|班结单|日清单|对账小票|批结算|BATCH SUMMARY|SALES SUMMARY|DAILY SUMMARY|SHIFT SUMMARY|BATCH REVIEW
        END OF SHIFT|RECONCILIATION|X READ|Z READ|X READING|Z READING|TRANSACTION LIST|GÜN SONU RAPORU
        TAGESBERICHT|Z-ABSCHLAG|TOTALI LOCALI|REDUCAO Z|СВОДНЫЙ ЧЕК|交班结算|日终结算|POS结算总计|批次总计|收银对账|SETTLE REPORT
        CLOSE BATCH|RAPPORT Z
        HOST TOTALS|SHIFT TOTALS|DAILY TOTALS|CARD TOTALS|X TOTALS|Z TOTALS|SALES TOTALS|SALES TOTALS REPORT
        AUDIT REPORT|CURRENT BATCH REPORT|BANKING REPORT|CASH UP REPORT|CASHIER REPORT|CLOSING REPORT|TILL REPORT
        CASH DRAWER REPORT|DETAIL REPORT|TRANSACTION REPORT|PERIOD REPORT|接班报表|日结报表|收银报表|X报表|Z报表|营业日报表|门店日报|经营日报
        月报表|交易汇总|收款汇总|收银汇总|当日汇总|班次汇总|营业统计|营业额统计|交易统计"""
    )
    reprint_words: tuple[str, ...] = _words(
        """重打印|重打|重印|补打|再打印|重复打印|DUPLICATED|DUPLICATE|REPRINT|REPRINTED|RE-PRINT|DUPLICATA|REIMPRESSION|RÉIMPRESSION|NACHDRUCK
        BELEGWIEDERHOLUNG|WIEDERHOLUNG|ZWEITSCHRIFT|재발행|재출력|재인쇄
        DUPLICADO|REIMPRESO|REIMPRESIÓN|REIMPRESSÃO|REIMPRESSAO|RISTAMPA|DUPLICATO|CETAK ULANG|再発行|再印刷
        ДУБЛИКАТ|КОПИЯ ЧЕКА|DUPLIKAT|KOPIA KVITTO|İKİNCİ NÜSHA
        补打印|重新打印|补印|重打次数|LAST RECEIPT REPRINT|REPRINT LAST RECEIPT|REPRINT FROM HISTORY|REPRINTED ON
        WIEDERHOLUNGSBELEG|SEGUNDA VIA|REIMPRESION|ПОВТОРНЫЙ ЧЕК|ПОВТОР ЧЕКА|COPIA DUPLICADA"""
    )
    copy_words: tuple[str, ...] = _words(
        """商户存根|持卡人存根|银行存根|顾客存根|客户存根|商户联|持卡人联|顾客联|客户联|商家联|存根联|MERCHANT COPY|CARDHOLDER COPY|CUSTOMER COPY|BANK COPY
        STORE COPY|CLIENT COPY|COPY|KUNDENBELEG|HÄNDLERBELEG|KOPIE|TICKET CLIENT|TICKET COMMERCANT|TICKET COMMERÇANT|고객용|가맹점용|회원용
        COPIA CLIENTE|COPIA COMERCIO|COPIA ESERCENTE|VIA CLIENTE|VIA ESTABELECIMENTO|VIA DO CLIENTE|KLANTBON|お客様控え|お客様控|加盟店控え|加盟店控|カード会社控え"""
    )
    not_paid_words: tuple[str, ...] = _words(
        """预结单|预结|预打单|预打|预账单|结账预览|未付款|未支付|待支付|报价单|GUEST CHECK|PRO FORMA|PROFORMA|PRE-BILL|PREBILL|NOT PAID|UNPAID|QUOTATION|QUOTE
        ESTIMATE|NOT A RECEIPT|THIS IS NOT A RECEIPT|ZWISCHENRECHNUNG|KEIN BELEG|NOTE PROVISOIRE|계산서 미결제
        PREFACTURA|PRECUENTA|PRECONTO|CONFERÊNCIA DE MESA
        预结账|预结账单|预结算|预结算单|预打账单|未结|未结账|INTERIM BILL|PRO-FORMA INVOICE|PROFORMA INVOICE|PROFORMA BILL|预买单|预览单|客看单
        BILL PREVIEW|PRELIMINARY BILL|PRE-RECEIPT|SUSPENDED SALE|PARKED SALE"""
    )
    order_words: tuple[str, ...] = _words(
        "厨房单|后厨单|出品单|传菜单|制作单|堂口单|划菜单|KITCHEN ORDER|KITCHEN TICKET|BAR ORDER|KÜCHENBON|주방주문서"
    )
    declined_words: tuple[str, ...] = _words(
        """交易失败|交易拒绝|支付失败|付款失败|扣款失败|交易未成功|交易不成功|拒绝交易|交易取消|DECLINED|DECLINE|NOT APPROVED|DENIED|REFUSED|NOT AUTHORISED
        NOT AUTHORIZED|TRANSACTION FAILED|PAYMENT FAILED|NOT ACCEPTED|TRANSACTION CANCELLED|TRANSACTION CANCELED|ABGELEHNT|ZAHLUNG NICHT ERFOLGT
        VORGANG ABGEBROCHEN|ABGEBROCHEN|REFUSE|REFUSÉ|REFUSEE|REFUSÉE|ABANDON|거래거절|승인거절|거절|승인불가
        RECHAZADA|RECHAZADO|DENEGADA|DENEGADO|NO AUTORIZADA|NEGADA|RIFIUTATA|NEGATA|TRANSAZIONE NEGATA|GEWEIGERD|DITOLAK|取引不成立
        ОТКАЗ|ОТКЛОНЕНО|ODMOWA|ODRZUCONA|MEDGES EJ|AVVISAD|REDDEDİLDİ|ONAYLANMADI
        NOT COMPLETED|TRANSACTION NOT COMPLETED|ABORTED|CANCELLED|CANCELED|TIMED OUT|TRANSACTION TIMED OUT
        NAO AUTORIZADA|NÃO AUTORIZADA|NAO APROVADA|NÃO APROVADA|TRANSACAO CANCELADA|TRANSAÇÃO CANCELADA
        NON ABOUTIE|ABANDONNEE|ABANDONNÉE|KARTE GESPERRT|AFGEBROKEN|OPERACION CANCELADA|OPERACIÓN CANCELADA
        OPERACAO CANCELADA|OPERAÇÃO CANCELADA|RECUSADO|RECUSADA|NON ESEGUITA|OPERAZIONE ANNULLATA|RIFIUTATO
        STORNATA|BAŞARISIZ|İPTAL EDİLDİ|НЕ ВЫПОЛНЕНА|НЕДОСТАТОЧНО СРЕДСТВ|NICHT MÖGLICH|NICHT ERFOLGT|ОТКЛОНЕНА
        ОТКАЗАНО|DECLINADA|DECLINADO"""
    )
    refund_words: tuple[str, ...] = _words(
        """退货|退款|退货单|退款单|REFUND|REFUNDED|RETURN|CREDIT NOTE|RÜCKERSTATTUNG|ERSTATTUNG|GUTSCHRIFT|REMBOURSEMENT|CREDIT VOUCHER|환불|반품|DEVOLUCION|DEVOLUCIÓN|REEMBOLSO|DEVOLUÇÃO|DEVOLUCAO|RIMBORSO|RESO|返品|返金|ВОЗВРАТ|ZWROT|RETUR|ÅTERBETALNING|VISSZÁRU|İADE|HOÀN TIỀN
        TERUGBETALING|استرداد|NOTA DI CREDITO|İADE İŞLEMİ|取消返品"""
    )
    void_words: tuple[str, ...] = _words(
        """消费撤销|撤销|完成撤销|预授权完成撤销|退货撤销|已撤销|撤单|VOID|VOIDED|STORNO|STORNIERT|ANNULATION|ANNULE|ANNULÉ|취소|승인취소|신용취소|신용승인취소|카드취소|결제취소
        거래취소|현금결제취소|매출취소
        ANULACION|ANULACIÓN|ANULADA|CANCELAMENTO|ESTORNO|ANNULLAMENTO|ANNULLO|PEMBATALAN|取消|取消し|取引取消
        ОТМЕНА|ANULOWANIE|ANULOWANO|MAKULERAD|ANNULLERING|İPTAL|HỦY GIAO DỊCH
        CANCELLATION|CANCELACION|CANCELACIÓN|UNIEWAŻNIENIE|İPTALİ|إلغاء|分期撤销|EXTORNO|STORNO ULTIMA OPERAZIONE
        VENDA CANCELADA|VENTA CANCELADA|PURCHASE CORRECTION|预授权完成请求撤销"""
    )
    reversal_words: tuple[str, ...] = _words(
        """冲正|自动冲正|交易冲正|REVERSAL|REVERSED|AUTO REVERSAL|AUTOMATIC REVERSAL
        REVERSO"""
    )
    preauth_words: tuple[str, ...] = _words(
        """预授权|AUTH|PREAUTH|PRE AUTH|PRE-AUTH|PREAUTHORIZATION|PREAUTHORISATION|PRE-AUTHORIZATION|PRE-AUTHORISATION|AUTH ONLY|AUTHORIZATION
        AUTHORISATION|AUTHORIZATION ONLY|RESERVIERUNG|PREAUTORISATION|PRÉAUTORISATION
        PREAUTORIZACION|PREAUTORIZACIÓN|PREAUTORIZZAZIONE|PRE-AUTORIZACAO|PRÉ-AUTORIZAÇÃO|ПРЕДАВТОРИЗАЦИЯ
        ÖN PROVİZYON|オーソリ|INCREMENTAL AUTH|INCREMENTAL AUTHORIZATION|INCREMENTAL AUTHORISATION|PRE-AUTORIZZAZIONE
        オーソリ予約"""
    )
    completion_words: tuple[str, ...] = _words(
        """预授权完成|预授权完成请求|预授权完成通知|AUTH COMPLETE|AUTH COMPLETION|PREAUTH COMPLETION|PRE-AUTH COMPLETION|PREAUTH COMPLETE|PRE-AUTH COMPLETE
        COMPLETION|SALE COMPLETION|CAPTURE|BUCHUNG RESERVIERUNG
        POST AUTH|POST AUTHORIZATION|POST AUTHORISATION|CONFIRMACION PREAUTORIZACION|CONFIRMACIÓN PREAUTORIZACIÓN
        CHIUSURA PREAUTORIZZAZIONE|PROVİZYON KAPAMA|承認後売上|売上(オーソリ後)|预授权完成联机|预授权完成离线"""
    )
    preauth_cancel_words: tuple[str, ...] = _words(
        """预授权撤销|PREAUTH CANCEL|PRE-AUTH CANCEL|PREAUTH VOID|PRE-AUTH VOID|AUTH CANCEL|AUTH VOID|CANCEL AUTH|VOID PREAUTH|VOID AUTH
        PREAUTH RELEASE|PRE-AUTH RELEASE|AUTH RELEASE|PREAUTH REVERSAL|PRE-AUTH REVERSAL"""
    )
    sale_words: tuple[str, ...] = _words(
        """消费|消费交易|扫码支付|扫码消费|支付|收款|销售|SALE|PURCHASE|PAYMENT|DEBIT|VENTE|ACHAT|ZAHLUNG|KAUF|KARTENZAHLUNG|승인|신용승인|매출|현금결제승인
        POS签购单|签购单|APPROVED|RETURN TICKET
        VENTA|COMPRA|VENDA|ACQUISTO|VENDITA|PENJUALAN|BETALING|売上|お買上"""
    )
    no_sale_words: tuple[str, ...] = _words(
        """余额查询|查询余额|签到|签退|BALANCE INQUIRY|BALANCE ENQUIRY|LOGON|LOGOFF|CARD VERIFICATION|DIAGNOSE|잔액조회
        圈存|指定账户圈存|订单查询|交易查询|查余额|卡激活|CONSULTA DE SALDO"""
    )
    filler_words: tuple[str, ...] = _words(
        """POS|RECEIPT|RECEIPTS|SLIP|COPY|TICKET|TRANSACTION|TXN|SALE|CARD|PAYMENT|CREDIT|DEBIT|HOST|RESULT|RESPONSE|STATUS|MERCHANT|CUSTOMER|CARDHOLDER
        REPORT|SUMMARY|SUCCESSFUL|SUCCESS|OK|DETAIL|BATCH|OF|THE|A|IS|THIS|WAS|YOUR|ORIGINAL|NO|NR|FOR|BY|ORDER|ZAHLUNG|BELEG|KARTENZAHLUNG|PAIEMENT|CARTE|BANCAIRE
        凭证|小票|票据|单据|单|签购单|存根|联|交易|交易结果|结果|状态|应答|请|勿|第|次|POS机|成功|银联|收据|이영수증|영수증|전표|거래|결제|카드|신용|현금"""
    )

    test_words: tuple[str, ...] = _words(
        "非凭证联|凭证无效|故障报告单|TRAINING MODE|TRAININGSMODUS|TRAININGSBON|MODE ECOLE"
    )
    beside_words: tuple[str, ...] = _words(
        """TRANS|VISA|MASTERCARD|AMEX|UNIONPAY|JCB|MAESTRO|GIROCARD|DINERS|DISCOVER|NETS|EFTPOS|OPEN|PERIOD|INTERIM|ALIPAY|WECHAT|WECHAT PAY|QR|CHIP|CONTACTLESS
        SWIPED|OFFLINE|ONLINE|MANUAL|INSTALLMENT|INSTALMENT|MERCHANDISE|INV|TRACE|AUDIT|CURRENT|SALES|SHIFT|CASHIER|SERVER
        CLOSING|DAILY|BANKING|TILL|DRAWER|DETAILS|GRAND|TERMINAL|LOCAL|X|Z
        OPERACION|OPERACIÓN|TRANSACCION|TRANSACCIÓN|TRANSACAO|TRANSAÇÃO|TRANSAZIONE|OPERAZIONE|OPERATION|OPÉRATION|TRANSACTIE|CARTA
        CARTAO|CARTÃO|TARJETA|COMPROBANTE|COMPROVANTE|RECIBO|PAGAMENTO|PAGO|CREDITO|CRÉDITO|DEBITO|DÉBITO|MERCE|DE|DI|DA|DO|DEL|LA|EL
        VORGANG|AUTORISIERUNG|KARTE|KÖP|İŞLEM|ISLEM|SATIŞ|SATIS|ОПЕРАЦИЯ|ОПЕРАЦИИ|ОПЛАТЫ|ПОКУПКИ|ПРИХОДА|ЧЕК
        收银|收银员|营业|营业额|当日|今日|当班|门店|店铺|班次|收入|经营|打印|商户|表|总|月|上送
        DOCUMENTO|COMMERCIALE|EMESSO|PER|КАССОВЫЙ
        扫码|微信|支付宝|脱机|移动支付|云闪付|手机|部分|追加|请求|通知|分期|分期付款|电子现金|测试|TESTING|BILL|INVOICE|离线|联机|隔日|会员|整单|积分|预约|结账|结账单|账单
        客户"""
    )
    weak_words: tuple[str, ...] = _words(
        """NOT COMPLETED|ABORTED|CANCELLED|CANCELED|TIMED OUT|NON ABOUTIE|ABANDONNEE|ABANDONNÉE|KARTE GESPERRT
        AFGEBROKEN|RECUSADO|RECUSADA|NON ESEGUITA|RIFIUTATO|STORNATA|BAŞARISIZ|İPTAL EDİLDİ|НЕ ВЫПОЛНЕНА
        NICHT MÖGLICH|NICHT ERFOLGT|TERUGBETALING|استرداد|NOTA DI CREDITO|CANCELLATION|CANCELACION
        CANCELACIÓN|UNIEWAŻNIENIE|İPTALİ|إلغاء|EXTORNO|PURCHASE CORRECTION|REVERSO|交班报表|交班小票|班结|班结单|日清单|对账小票
        批结算|BATCH SUMMARY|SALES SUMMARY|DAILY SUMMARY|SHIFT SUMMARY|BATCH REVIEW|END OF SHIFT|RECONCILIATION
        X READ|Z READ|X READING|Z READING|TRANSACTION LIST|GÜN SONU RAPORU|TAGESBERICHT|Z-ABSCHLAG
        TOTALI LOCALI|REDUCAO Z|СВОДНЫЙ ЧЕК|交班结算|日终结算|POS结算总计|批次总计|收银对账|SETTLE REPORT|CLOSE BATCH|RAPPORT Z
        SEGUNDA VIA|预结账|预结账单|预结算|预结算单|预打账单|未结|未结账|INTERIM BILL|PRO-FORMA INVOICE|PROFORMA INVOICE
        PROFORMA BILL|预买单|预览单|客看单|BILL PREVIEW|PRELIMINARY BILL|PRE-RECEIPT|SUSPENDED SALE|PARKED SALE|圈存
        指定账户圈存|订单查询|交易查询|查余额|卡激活|CONSULTA DE SALDO|HOST TOTALS|SHIFT TOTALS|DAILY TOTALS|CARD TOTALS|X TOTALS
        Z TOTALS|SALES TOTALS|SALES TOTALS REPORT|AUDIT REPORT|CURRENT BATCH REPORT|BANKING REPORT
        CASH UP REPORT|CASHIER REPORT|CLOSING REPORT|TILL REPORT|CASH DRAWER REPORT|DETAIL REPORT
        TRANSACTION REPORT|PERIOD REPORT|接班报表|日结报表|收银报表|X报表|Z报表|营业日报表|门店日报|经营日报|月报表|交易汇总|收款汇总|收银汇总|当日汇总|班次汇总
        营业统计|营业额统计|交易统计|非凭证联|凭证无效|故障报告单|TRAINING MODE|TRAININGSMODUS|TRAININGSBON|MODE ECOLE
        ОТКЛОНЕНА|ОТКАЗАНО"""
    )

    def extended(self, more: Mapping[str, Sequence[str]]) -> "ReceiptLabels":
        """These labels and ``more``, ``{"total": ["应付"]}``. SettingsError names the nearest field of a wrong one.

        A word given to a field is taken from every other field of values, so a shop can also move a label.
        """
        known = [field.name for field in fields(self)]
        changed: dict[str, tuple[str, ...]] = {}
        for name, words in more.items():
            if name not in known:
                raise unknown_name("labels", name, known)
            changed[name] = (*getattr(self, name), *_checked(name, words))
        moved = {name: {word.casefold() for word in more[name]} for name in changed if name in VALUE_FIELDS}
        for name in VALUE_FIELDS:
            gone = set().union(*(words for other, words in moved.items() if other != name))
            if gone:
                kept = changed.get(name, getattr(self, name))
                changed[name] = tuple(word for word in kept if word.casefold() not in gone)
        return replace(self, **changed)


def trouble_with(word: str) -> str | None:
    """Why a word can be no label; None: it can."""
    if any(character.isalpha() for character in word) and len(word) <= _MAX_WORD:
        return None
    return f"{word!r} is not a label: letters, at most {_MAX_WORD} characters"


def _checked(name: str, words: Sequence[str]) -> list[str]:
    if isinstance(words, str) or not all(isinstance(word, str) for word in words):
        raise SettingsError(f"labels.{name}", "is not a list of texts")
    for why in filter(None, map(trouble_with, words)):
        raise SettingsError(f"labels.{name}", why)
    return list(words)


BUILT_IN = ReceiptLabels()
# The fields whose words stand before values; the last ones win where a word is in two. The others are titles.
VALUE_FIELDS = (
    "other",
    "expiry",
    "count",
    "result",
    "original_ref",
    "time",
    "method",
    "payment",
    "scheme",
    "card",
    "merchant_id",
    "terminal_id",
    "batch",
    "auth_code",
    "stan",
    "rrn",
    "wallet_no",
    "receipt_no",
    "kind",
    "void",
    "refund",
    "void_total",
    "refund_total",
    "change",
    "received",
    "amount",
    "total",
    "due",
    "paid",
)

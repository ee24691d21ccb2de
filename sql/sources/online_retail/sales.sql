-- One row per line of an invoice. Identical lines of one invoice are different lines: the id of a line is what it
-- says and how often it said so before. Product codes differ by case alone in places, so they are folded;
-- customer ids are written as decimals (17850.0).
with lines as (
    select
        f.line,
        trim(f.invoiceno) as order_id,
        upper(trim(f.stockcode)) as product_id,
        split_part(trim(f.customerid), '.', 1) as customer_id,
        trim(f.quantity) as quantity,
        trim(f.unitprice) as unit_price,
        trim(f.invoicedate) as sold_at,
        md5(
            coalesce(trim(f.invoiceno), '') || '|' || coalesce(upper(trim(f.stockcode)), '') || '|'
            || coalesce(trim(f.description), '') || '|' || coalesce(trim(f.quantity), '') || '|'
            || coalesce(trim(f.invoicedate), '') || '|' || coalesce(trim(f.unitprice), '') || '|'
            || coalesce(trim(f.customerid), '') || '|' || coalesce(trim(f.country), '')
        ) as content_hash
    from file as f
),

numbered as (
    select
        l.line,
        l.order_id,
        l.product_id,
        l.customer_id,
        l.quantity,
        l.unit_price,
        l.sold_at,
        l.content_hash,
        row_number() over (partition by l.content_hash order by l.line) as occurrence
    from lines as l
)

select
    n.content_hash || '-' || n.occurrence::text as sale_id,
    n.order_id,
    n.customer_id,
    n.product_id,
    n.quantity,
    n.unit_price,
    n.sold_at,
    case
        when n.product_id in ('B', 'AMAZONFEE', 'CRUK') or n.unit_price ~ '^-?0*\.?0*$' then 'adjustment'
        else 'completed'
    end as status,
    n.line
from numbered as n

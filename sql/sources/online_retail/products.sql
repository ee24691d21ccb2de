-- One row per product code, folded, with its latest description that is not empty; a code that never has one
-- carries no time, so that it never replaces a name known from another file.
with lines as (
    select
        f.line,
        upper(trim(f.stockcode)) as product_id,
        nullif(trim(f.description), '') as product_name,
        case when nullif(trim(f.description), '') is not null then trim(f.invoicedate) end as updated_at
    from file as f
    where nullif(trim(f.stockcode), '') is not null
),

ranked as (
    select
        l.line,
        l.product_id,
        l.product_name,
        l.updated_at,
        row_number() over (partition by l.product_id order by l.updated_at desc nulls last, l.line desc) as place
    from lines as l
)

select
    r.product_id,
    r.product_name,
    case
        when r.product_id ~ '^(GIFT_|DCGS)' then 'voucher'
        when
            r.product_id in (
                'POST', 'DOT', 'M', 'C2', 'D', 'S', 'BANK CHARGES', 'PADS', 'B', 'AMAZONFEE', 'CRUK'
            )
            then 'service'
        else 'goods'
    end as product_type,
    r.updated_at,
    r.line
from ranked as r
where r.place = 1

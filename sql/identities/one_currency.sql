-- One row, which judges every table of money at once: how many currencies the lines that count have, and which.
with currencies as (
    select distinct s.currency
    from core.sales as s
    where s.is_valid
),

found as (
    select
        count(*) as currencies,
        string_agg(coalesce(c.currency, 'none'), ', ' order by coalesce(c.currency, 'none')) as names
    from currencies as c
),

final as (
    select
        '*' as derived,
        'currencies: ' || coalesce(f.names, 'none') as item,
        f.currencies as left_value,
        1 as right_value,
        greatest(f.currencies - 1, 0) as difference
    from found as f
)

select * from final

-- How many carts are abandoned, and how many come back?
-- All carts over all time, by kind of device, and by month, the last thirteen. A cart is a visit that ended
-- with something in it; it is abandoned if the visitor bought nothing afterwards and within
-- core.parameters.cart_grace_hours. Recovered is an abandoned cart of which a product was bought within
-- core.parameters.cart_recovery_days, counted over those that are old enough (`mature_count`). The value is
-- that of what was left, recovered or not.
with ranked as (
    select
        case when a.month is not null then 'month' when a.scope = 'all' then 'all' else 'device' end as breakdown,
        case when a.month is not null then 3 when a.scope = 'all' then 1 else 2 end as sort_order,
        case when a.month is not null then a.period_name else a.key end as member,
        row_number() over (partition by a.month is null order by a.month desc, a.scope, a.key) as place,
        a.month,
        a.cart_count,
        a.abandoned_count,
        a.abandonment_rate,
        a.ci_low,
        a.ci_high,
        a.carts_open,
        a.mature_count,
        a.recovered_count,
        a.recovery_rate,
        a.abandoned_value,
        a.low_n,
        a.currency
    from behavior.cart_abandonment as a
    where a.scope = 'all' or (a.scope = 'device_type' and a.period_name = 'all')
),

final as (
    select
        r.breakdown,
        r.member,
        r.cart_count,
        r.abandoned_count,
        r.abandonment_rate,
        r.ci_low,
        r.ci_high,
        r.carts_open,
        r.mature_count,
        r.recovered_count,
        r.recovery_rate,
        r.abandoned_value,
        r.low_n,
        r.currency,
        r.sort_order
    from ranked as r
    where r.month is null or r.place <= 13
)

select * from final
order by sort_order, member

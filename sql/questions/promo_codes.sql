-- Which promo codes work?
-- The twenty codes with most orders, over all time: what the orders with the code were worth against the
-- average order of the shop (`shop_aov`), how many customers they won (`new_customers`: first order ever
-- bears the code), and what the code cost in discounts on the lines that bear it. An order with two codes
-- counts in both. `unpaid_share` is the part of the orders with the code that were never paid: where it is
-- high, the code is tried and not bought with.
with codes as (
    select
        p.promo_code,
        p.first_used_date,
        p.last_used_date,
        p.orders,
        p.customers,
        p.new_customers,
        p.new_customer_share,
        p.ordered_value,
        p.aov,
        p.gross_sales,
        p.discounts,
        p.discount_rate,
        p.unpaid_orders,
        p.unpaid_share,
        p.low_n,
        p.currency
    from kpi.promo_codes as p
),

shop as (
    select a.aov
    from kpi.purchases as a
    where a.breakdown = 'all'
),

ranked as (
    select
        row_number() over (order by c.orders desc, c.ordered_value desc, c.promo_code) as rank,
        c.promo_code,
        c.first_used_date,
        c.last_used_date,
        c.orders,
        c.customers,
        c.new_customers,
        c.new_customer_share,
        c.ordered_value,
        c.aov,
        c.gross_sales,
        c.discounts,
        c.discount_rate,
        c.unpaid_orders,
        c.unpaid_share,
        c.low_n,
        c.currency
    from codes as c
),

final as (
    select
        r.rank,
        r.promo_code,
        r.first_used_date,
        r.last_used_date,
        r.orders,
        r.customers,
        r.new_customers,
        r.new_customer_share,
        r.ordered_value,
        r.aov,
        s.aov as shop_aov,
        r.gross_sales,
        r.discounts,
        r.discount_rate,
        r.unpaid_orders,
        r.unpaid_share,
        r.low_n,
        r.currency
    from ranked as r
    left join shop as s on true
    where r.rank <= 20
)

select * from final
order by rank

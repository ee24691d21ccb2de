-- Which products are looked at but not bought?
-- The twenty goods that lose most buyers against their category, over all time: the upper end of the interval
-- of the view-to-purchase rate lies below the rate of the category, so that chance alone does not explain it.
-- `missing_buyers` is how many more of the viewers would have bought at the rate of the category,
-- `missed_sales` that at the list price now: a rough figure, each buyer counted with one piece. Products with
-- few viewers are left out.
with products as (
    select
        c.product_id,
        c.product_name,
        c.category,
        c.viewers,
        c.cart_adders,
        c.buyers,
        c.view_to_cart_rate,
        c.view_to_purchase_rate,
        c.ci_high,
        c.category_rate,
        (c.viewers * c.category_rate)::numeric(18, 4) - c.buyers as missing_buyers
    from behavior.product_conversion as c
    where c.scope = 'product' and c.period_name = 'all' and not c.low_n and c.ci_high < c.category_rate
),

prices as (
    select
        p.product_id,
        p.price
    from core.products as p
),

ranked as (
    select
        row_number() over (order by p.missing_buyers desc, p.product_id) as rank,
        p.product_id,
        p.product_name,
        p.category,
        p.viewers,
        p.cart_adders,
        p.view_to_cart_rate,
        p.buyers,
        p.view_to_purchase_rate,
        p.ci_high,
        p.category_rate,
        p.missing_buyers,
        (p.missing_buyers * r.price)::numeric(18, 4) as missed_sales
    from products as p
    left join prices as r on p.product_id = r.product_id
),

final as (
    select
        r.rank,
        r.product_id,
        r.product_name,
        r.category,
        r.viewers,
        r.cart_adders,
        r.view_to_cart_rate,
        r.buyers,
        r.view_to_purchase_rate,
        r.ci_high,
        r.category_rate,
        r.missing_buyers,
        r.missed_sales,
        c.currency
    from ranked as r
    cross join core.clock as c
    where r.rank <= 20
)

select * from final
order by rank

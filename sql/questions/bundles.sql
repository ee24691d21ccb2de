-- Which bundles pay?
-- The twenty bundles of two or three products with the largest gain, at most two for the same product to add.
-- They are bought together more often than chance explains (`lift`; every rule between them is significant).
-- `price` and `margin` are sums of the products; `gain_per_1000_orders` is what offering `added_product_name`
-- to those who have the others brings beyond chance in a thousand orders. `replicates` says whether that was so
-- again in the last weeks, which were kept back. What a lower price of the bundle costs or brings is not in it.
with bundles as (
    select
        b.rank,
        b.bundle_names,
        b.size,
        b.orders,
        b.expected_orders,
        b.lift,
        b.price,
        b.margin,
        b.added_product_id,
        b.added_product_name,
        b.confidence,
        b.expected_gain,
        b.replicates,
        b.currency,
        row_number() over (partition by b.added_product_id order by b.rank) as place
    from basket.bundles as b
),

ranked as (
    select
        row_number() over (order by b.rank) as rank,
        b.bundle_names,
        b.size,
        b.orders,
        b.expected_orders,
        b.lift,
        b.price,
        b.margin,
        b.added_product_id,
        b.added_product_name,
        b.confidence,
        (b.expected_gain * 1000)::numeric(18, 4) as gain_per_1000_orders,
        b.replicates,
        b.currency
    from bundles as b
    where b.place <= 2
),

final as (
    select
        r.rank,
        r.bundle_names,
        r.size,
        r.orders,
        r.expected_orders,
        r.lift,
        r.price,
        r.margin,
        r.added_product_id,
        r.added_product_name,
        r.confidence,
        r.gain_per_1000_orders,
        r.replicates,
        r.currency
    from ranked as r
    where r.rank <= 20
)

select * from final
order by rank
